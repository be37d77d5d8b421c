"""Workers on other machines: jobs that come together are submitted at once, and their states are polled."""

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

_POLL_RUN_EVERY = 0.5
_POLL_JOBS_EVERY = 0.25


@final
@dataclass(frozen=True)
class RemoteJob:
    """A run for another machine, which must see the same folders as the machine that submits it."""

    ready: Ready
    output: Path
    """Receives what the run prints."""
    threads: int
    timeout: float | None
    """Seconds after which the run is stopped."""
    home: Path = field(default_factory=Path.cwd)
    """The folder that relative paths refer to."""

    def begin(self) -> RunningJob:
        """Start the run in a child process."""
        try:
            os.chdir(self.home)
            self.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            node = os.uname().nodename
            raise RunError(f"{error.filename}: {error.strerror} on {node}; all machines must share it.") from error
        return RunningJob(self)


@final
class RunningJob:
    """A run in a child process, so that however it ends, this process can report how."""

    def __init__(self, job: RemoteJob) -> None:
        self.workers = LocalWorkers([Slot(job.threads)], job.timeout)
        self.workers.start("run", job.ready, job.output)
        self.asked_to_stop = False
        self._result: Mapping[str, Any] | None = None
        # In its own process group, the run gets no signals but those that this process sends it.
        with suppress(OSError):
            os.setpgid(self.workers.processes["run"].pid, 0)

    def result(self) -> dict[str, Any]:
        """Wait for the end of the run and return its result."""
        while self._result is None:
            self._poll()
        return {key: value for key, value in self._result.items() if key != "modules"}

    def ask_to_stop(self) -> None:
        """Ask the run to save itself and end."""
        self.asked_to_stop = True
        self.workers.signal_all(signal.SIGTERM)

    def stop(self, seconds: float) -> None:
        """Ask the run to stop; kill it if it has not ended in time."""
        until = time.monotonic() + seconds
        self.ask_to_stop()
        with suppress(ChildProcessError):  # a signal may call this while `result` is collecting the ended process
            while self._result is None and time.monotonic() < until:
                self._poll()
            self.workers.kill_all()

    def _poll(self) -> None:
        for _, result, _ in self.workers.wait(_POLL_RUN_EVERY):
            self._result = result


class RemoteWorkers(Workers):
    """Submits at most `limit` jobs at a time."""

    def __init__(self, limit: int, timeout: float | None, threads: int) -> None:
        self.limit, self.timeout, self.threads = limit, timeout, threads
        self.waiting: dict[str, RemoteJob] = {}  # started, but not yet submitted
        self.begun: dict[str, float] = {}
        # How urgently the jobs were asked to stop (0: not, 1: they may save themselves, 2: at once), and what was done.
        self.asked = self.obeyed = 0

    @abstractmethod
    def submit(self, jobs: Mapping[str, RemoteJob]) -> None:
        """Submit jobs."""

    @abstractmethod
    def ended(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Return the jobs that have ended since the last call, with their results."""

    @abstractmethod
    def cancel(self, keys: Iterable[str], gently: bool) -> None:
        """End submitted jobs; `gently` lets them save themselves first."""

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
        while not (ended := [*self._submit_or_cancel(), *self._collect_ended()]) and time.monotonic() < until:
            time.sleep(_POLL_JOBS_EVERY)
        return ended

    def signal_all(self, number: int) -> None:
        """Only note the request: a signal handler calls this, at any point of `submit` or `cancel`."""
        self.asked = max(self.asked, 2 if number == signal.SIGKILL else 1)

    def kill_all(self) -> None:
        self.cancel(self.begun, gently=False)
        self.waiting, self.begun = {}, {}

    def _submit_or_cancel(self) -> Iterable[EndedRun]:
        """Submit the waiting jobs or, if a stop was requested, cancel all; return those that were never submitted."""
        if self.waiting and not self.asked:
            jobs, self.waiting = self.waiting, {}
            self.submit(jobs)
        if self.asked > self.obeyed:
            self.obeyed = self.asked
            self.cancel(self.begun.keys() - self.waiting.keys(), gently=self.asked == 1)
        dropped, self.waiting = self.waiting if self.asked else {}, {}
        return [self._end(key, {"state": "preempted", "reason": "it was not begun"}) for key in dropped]

    def _collect_ended(self) -> Iterable[EndedRun]:
        return [self._end(key, result) for key, result in self.ended()]

    def _end(self, key: str, result: Mapping[str, Any]) -> EndedRun:
        seconds = time.monotonic() - self.begun.pop(key)
        if self.asked and result["state"] == "failed":
            result = {"state": "preempted", "reason": "the sweep was asked to stop"}
        return key, result, seconds
