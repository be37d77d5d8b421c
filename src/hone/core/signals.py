"""Signals that ask the process to stop. During training they take effect at the end of the step, otherwise at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, final

from hone.core.errors import HoneError, Interrupted, Preempted

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT)


@final
class Stop:
    """Remembers the first signal. Earlier handlers are still called, and restored afterwards."""

    def __init__(self) -> None:
        self.asked: int | None = None
        """The first signal, if one has come."""
        self._deferring = False
        self._before: dict[int, Any] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While this is open, this object handles the signals."""
        before: dict[int, Any] = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        self._before = before
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """While this is open, a signal is only remembered, except a second Ctrl-C, which stops at once."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def error(self) -> HoneError:
        """Return the error that ends the run, by the signal that came."""
        if self.asked == signal.SIGINT:
            return Interrupted("stopped by Ctrl-C")
        return Preempted(f"asked to stop by {signal.Signals(self.asked or signal.SIGTERM).name}")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        impatient = number == signal.SIGINT and self.asked == signal.SIGINT
        self.asked = self.asked or number
        earlier = self._before[number]
        if callable(earlier) and earlier is not signal.default_int_handler:
            earlier(number, frame)
        if impatient or not self._deferring:
            raise self.error()
