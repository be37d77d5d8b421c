"""Signals that ask the process to stop. During training they take effect at the end of the step, otherwise at once.

A signal that is ignored when a command starts, as SIGHUP is under `nohup`, stays ignored.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, final

from hone.core.errors import Interrupted, Preempted, StopRequest

Handler = Callable[[int, FrameType | None], Any]

_PREEMPTING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
STOPPING = (*_PREEMPTING, signal.SIGINT)
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def handled_by(handler: Handler, numbers: Iterable[int] = STOPPING) -> Iterator[dict[int, Any]]:
    """While this is open, the handler gets the signals. Yields the earlier handlers, which are restored afterwards."""
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def ended_at_once() -> Iterator[None]:
    """While this is open, signals that ask the process to stop end it: nothing has to be saved yet.

    No exception is raised, not even for Ctrl-C, since a library that is being imported could take it for its own. A
    signal that has a handler is left to it."""
    with handled_by(_end, [number for number in STOPPING if signal.getsignal(number) in _DEFAULTS]):
        yield


def request(number: int) -> StopRequest:
    """Return the error that ends a run, by the signal that came."""
    if number == signal.SIGINT:
        return Interrupted("stopped by Ctrl-C")
    return Preempted(f"asked to stop by {signal.Signals(number).name}")


def _end(number: int, _: FrameType | None) -> None:
    error = request(number)
    os.write(2, f"hone: {error}\n".encode())
    os._exit(error.exit_code)


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
        with handled_by(self._handle) as self._before:
            yield

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """While this is open, a signal is only remembered, except a second Ctrl-C, which stops at once. One that has
        come in the last moment takes effect at the end."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self.asked is not None:
            raise self.error()

    def error(self) -> StopRequest:
        """Return the error that ends the run, by the signal that came."""
        return request(self.asked or signal.SIGTERM)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        impatient = number == signal.SIGINT and self.asked == signal.SIGINT
        self.asked = self.asked or number
        earlier = self._before[number]
        if callable(earlier) and earlier not in (signal.default_int_handler, _end):
            earlier(number, frame)
        if impatient or not self._deferring:
            raise self.error()
