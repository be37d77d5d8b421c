"""Things for W&B that take their time, made and handed over by a thread of their own, which nobody waits for long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import final


@final
class Parcels:
    """In the order in which they are given; where one fails the others go on."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lost: str | None = None

    def send(self, hand_over: Callable[[], object]) -> None:
        """Returns at once."""
        self._waiting.put(hand_over)
        if self._thread is None:
            # A daemon: a server that never answers must not keep the process alive.
            self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)
            self._thread.start()

    def settle(self, seconds: float) -> str | None:
        """Waits until all are handed over, but no longer than this; returns what was in the way of the first that is
        not."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(seconds)
            if self._thread.is_alive():
                self._lost = self._lost or f"it has not taken all within {seconds:g} s"
            self._thread = None
        return self._lost

    def _work(self) -> None:
        while (hand_over := self._waiting.get()) is not None:
            try:
                hand_over()
            except Exception as error:
                self._lost = self._lost or first_line(error)


def first_line(error: BaseException) -> str:
    """What W&B's errors say before they explain."""
    return (str(error).splitlines() or [type(error).__name__])[0]
