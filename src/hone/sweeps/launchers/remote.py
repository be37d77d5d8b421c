"""Runs on other machines: handed over as they come, those that come together at once, and looked at now and then."""

from __future__ import annotations

import os
import signal
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from hone.core.errors import RunError
from hone.sweeps.jobs import Ready
from hone.sweeps.process import Slot
from hone.sweeps.workers import EndedRun, LocalWorkers, Workers

_ASK_EVERY = 0.5


@final
@dataclass(frozen=True)
class RemoteJob:
    """All machines must see the folders of the one that sends it."""

    ready: Ready
    output: Path
    """Takes what the run prints."""
    threads: int
    timeout: float | None
    """Seconds it may take."""
    home: Path = field(default_factory=Path.cwd)
    """What relative paths begin at."""

    def begin(self) -> RunningJob:
        """The run is at work from now on."""
        try:
            os.chdir(self.home)
            self.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{error.filename}: {error.strerror} on {os.uname().nodename}; all must share it."
            ) from error
        return RunningJob(self)


@final
class RunningJob:
    """A process forked from this one: however it ends, this one can tell how."""

    def __init__(self, errand: RemoteJob) -> None:
        self.pool = LocalWorkers([Slot(errand.threads)], errand.timeout)
        self.pool.start("run", errand.ready, errand.output)
        self.asked = False
        self._words: Mapping[str, Any] | None = None
        with suppress(OSError):  # what the machine tells all processes at once reaches the run through this one alone
            os.setpgid(self.pool.workers["run"].pid, 0)

    def words(self) -> dict[str, Any]:
        """The run's last words, when it has ended."""
        while self._words is None:
            self._look(_ASK_EVERY)
        return {key: value for key, value in self._words.items() if key != "modules"}

    def ask(self) -> None:
        """To save itself and end."""
        self.asked = True
        self.pool.signal_all(signal.SIGTERM)

    def stop(self, seconds: float) -> None:
        """Asks, and sees that there is an end to it."""
        until = time.monotonic() + seconds
        self.ask()
        with suppress(ChildProcessError):  # the end was just being looked at when this was called by a signal
            while self._words is None and time.monotonic() < until:
                self._look(_ASK_EVERY)
            self.pool.kill_all()

    def _look(self, seconds: float) -> None:
        for _, words, _ in self.pool.wait(seconds):
            self._words = words


_GLANCE = 0.25


class RemoteWorkers(Workers):
    """No more than `limit` at a time."""

    def __init__(self, limit: int, timeout: float | None, threads: int) -> None:
        self.limit, self.timeout, self.threads = limit, timeout, threads
        self.waiting: dict[str, RemoteJob] = {}
        self.begun: dict[str, float] = {}
        self.asked = self.obeyed = 0

    @abstractmethod
    def submit(self, errands: Mapping[str, RemoteJob]) -> None:
        """Hands them over."""

    @abstractmethod
    def ended(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Those that have ended since it was last asked, with their last words."""

    @abstractmethod
    def cancel(self, keys: Iterable[str], kindly: bool) -> None:
        """Ends what was handed over; kindly: it may save itself first."""

    @property
    def free(self) -> bool:
        return len(self.begun) < self.limit

    @property
    def working(self) -> dict[str, float]:
        return {key: time.monotonic() - begun for key, begun in self.begun.items()}

    def start(self, key: str, ready: Ready, output: Path) -> None:
        self.waiting[key] = RemoteJob(ready, output, self.threads, self.timeout)
        self.begun[key] = time.monotonic()

    def wait(self, seconds: float) -> list[EndedRun]:
        until = time.monotonic() + seconds
        while not (found := [*self._obey(), *self._ended()]) and time.monotonic() < until:
            time.sleep(_GLANCE)
        return found

    def signal_all(self, number: int) -> None:
        """Leaves a note: this is called by a signal, whatever is being done at the moment."""
        self.asked = max(self.asked, 2 if number == signal.SIGKILL else 1)

    def kill_all(self) -> None:
        self.cancel(self.begun, kindly=False)
        self.waiting, self.begun = {}, {}

    def _obey(self) -> Iterable[EndedRun]:
        """Does what was asked, by the driver or by a signal."""
        if self.waiting and not self.asked:
            handed, self.waiting = self.waiting, {}
            self.submit(handed)
        if self.asked > self.obeyed:
            self.obeyed = self.asked
            self.cancel(self.begun.keys() - self.waiting.keys(), kindly=self.asked == 1)
        unbegun, self.waiting = self.waiting if self.asked else {}, {}
        return [self._end(key, {"state": "preempted", "reason": "it was not begun"}) for key in unbegun]

    def _ended(self) -> Iterable[EndedRun]:
        return [self._end(key, words) for key, words in self.ended()]

    def _end(self, key: str, words: Mapping[str, Any]) -> EndedRun:
        spent = time.monotonic() - self.begun.pop(key)
        if self.asked and words["state"] == "failed":
            words = {"state": "preempted", "reason": "the sweep was asked to stop"}
        return key, words, spent
