"""A thread that hands slow things to W&B's client, so that a training step never waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import final


@final
class Outbox:
    """Runs actions in the order in which they arrive. One that fails does not stop the others."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._problem: str | None = None

    def send(self, action: Callable[[], object]) -> None:
        """Queue an action and return at once."""
        self._queue.put(action)
        if self._thread is None:
            # A daemon: a server that never answers must not keep the process alive.
            self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)
            self._thread.start()

    def settle(self, seconds: float) -> str | None:
        """Wait until all actions are done, but no longer than this. Return why the first one failed, or None."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(seconds)
            if self._thread.is_alive():
                self._problem = self._problem or f"it did not take everything within {seconds:g} s"
            self._thread = None
        return self._problem

    def _work(self) -> None:
        while (action := self._queue.get()) is not None:
            try:
                action()
            except Exception as error:
                self._problem = self._problem or first_line(error)


def first_line(error: BaseException) -> str:
    """Return what an error says before it explains itself."""
    return (str(error).splitlines() or [type(error).__name__])[0]
