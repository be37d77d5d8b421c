"""The contract of workers, which run cells, and the workers of this machine: one forked process per run."""

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
"""The key of a run that has ended, its result, and the seconds it took."""

_GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for a run that exceeds its time limit."""
_POLL_EVERY = 0.02


class Workers(ABC):
    """Start runs, each under a key that the driver chooses, and report how they end."""

    @property
    @abstractmethod
    def free(self) -> bool:
        """Whether one more run can be started."""

    @property
    @abstractmethod
    def working(self) -> dict[str, float]:
        """The keys of the active runs, with the seconds since their start."""

    @abstractmethod
    def start(self, key: str, ready: Ready, output: Path) -> None:
        """Start a run while `free` is true. The file `output` receives what the run prints."""

    @abstractmethod
    def wait(self, seconds: float) -> list[EndedRun]:
        """Wait until a run ends, but at most this long; return the runs that have ended."""

    @abstractmethod
    def signal_all(self, number: int) -> None:
        """Send a signal to all active runs."""

    @abstractmethod
    def kill_all(self) -> None:
        """End all runs at once."""


@final
class LocalWorkers(Workers):
    """As many workers as there are slots."""

    def __init__(self, slots: Sequence[Slot], timeout: float | None) -> None:
        self.slots = list(slots)  # those that are free
        self.timeout = timeout
        self.processes: dict[str, RunProcess] = {}

    @property
    def free(self) -> bool:
        return bool(self.slots)

    @property
    def working(self) -> dict[str, float]:
        return {key: process.seconds for key, process in self.processes.items()}

    def start(self, key: str, ready: Ready, output: Path) -> None:
        self.processes[key] = RunProcess(ready.work, self.slots.pop(0), output)

    def wait(self, seconds: float) -> list[EndedRun]:
        until = time.monotonic() + seconds
        while not (ended := self._collect_ended()) and time.monotonic() < until:
            time.sleep(_POLL_EVERY)
        return ended

    def signal_all(self, number: int) -> None:
        for process in self.processes.values():
            process.signal(number)

    def kill_all(self) -> None:
        self.signal_all(signal.SIGKILL)
        while self.processes:
            self._collect_ended()
            time.sleep(_POLL_EVERY)

    def _collect_ended(self) -> list[EndedRun]:
        ended: list[EndedRun] = []
        for key, process in list(self.processes.items()):
            result = process.result()
            if result is None:
                self._enforce_timeout(process)
                continue
            if process.asked_to_end is not None:
                result = {"state": "failed", "reason": f"no end within sweep.trial_timeout={self.timeout:g} seconds"}
            ended.append((key, result, process.seconds))
            self.slots.append(process.slot)
            del self.processes[key]
        return ended

    def _enforce_timeout(self, process: RunProcess) -> None:
        if self.timeout is None or process.seconds < self.timeout:
            return
        if process.asked_to_end is None:
            process.asked_to_end = time.monotonic()
            process.signal(signal.SIGTERM)
        elif time.monotonic() - process.asked_to_end > _GRACE:
            process.signal(signal.SIGKILL)
