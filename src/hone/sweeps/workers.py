"""The contract of whoever runs cells: forked processes of this machine, or one of Hydra's launchers."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from hone.sweeps.jobs import Ready
from hone.sweeps.process import RunProcess, Slot

EndedRun = tuple[str, Mapping[str, Any], float]
"""Whose run has ended, its last words, and the seconds it was at work."""


class Workers(ABC):
    """Runs under names that the driver gives them."""

    @property
    @abstractmethod
    def free(self) -> bool:
        """Whether one more can be started."""

    @property
    @abstractmethod
    def working(self) -> dict[str, float]:
        """Those at work, with their seconds."""

    @abstractmethod
    def start(self, key: str, ready: Ready, output: Path) -> None:
        """Something must be free; `output` takes what the run prints."""

    @abstractmethod
    def wait(self, seconds: float) -> list[EndedRun]:
        """Those that have ended; after so long perhaps none."""

    @abstractmethod
    def signal_all(self, number: int) -> None:
        """Passes a signal on."""

    @abstractmethod
    def kill_all(self) -> None:
        """Nobody stays behind."""


_GRACE = 5.0
"""Seconds between asking a run to end and ending it."""
_GLANCE = 0.02


@final
class LocalWorkers(Workers):
    """As many workers as there are places."""

    def __init__(self, places: Sequence[Slot], timeout: float | None) -> None:
        self.slots = list(places)
        self.timeout = timeout
        self.workers: dict[str, RunProcess] = {}

    @property
    def free(self) -> bool:
        return bool(self.slots)

    @property
    def working(self) -> dict[str, float]:
        return {key: worker.seconds for key, worker in self.workers.items()}

    def start(self, key: str, ready: Ready, output: Path) -> None:
        self.workers[key] = RunProcess(ready.work, self.slots.pop(0), output)

    def wait(self, seconds: float) -> list[EndedRun]:
        until = time.monotonic() + seconds
        while not (ended := self._ended()) and time.monotonic() < until:
            time.sleep(_GLANCE)
        return ended

    def signal_all(self, number: int) -> None:
        for worker in self.workers.values():
            worker.signal(number)

    def kill_all(self) -> None:
        for worker in self.workers.values():
            worker.signal(signal.SIGKILL)
        while self.workers:
            self._ended()
            time.sleep(_GLANCE)

    def _ended(self) -> list[EndedRun]:
        found = []
        for key, worker in list(self.workers.items()):
            words = worker.ended()
            if words is None:
                self._mind_the_time(worker)
                continue
            if worker.asked_to_end is not None:
                words = {"state": "failed", "reason": f"no end within sweep.trial_timeout={self.timeout:g} seconds"}
            found.append((key, words, worker.seconds))
            self.slots.append(worker.place)
            del self.workers[key]
        return found

    def _mind_the_time(self, worker: RunProcess) -> None:
        if self.timeout is None or worker.seconds < self.timeout:
            return
        if worker.asked_to_end is None:
            worker.asked_to_end = time.monotonic()
            worker.signal(signal.SIGTERM)
        elif time.monotonic() - worker.asked_to_end > _GRACE:
            worker.signal(signal.SIGKILL)
