"""Runs as jobs that submitit hands over: those that come together are one array."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError, briefly
from hone.core.redact import redact_text
from hone.sweeps.launchers.distant import Distant
from hone.sweeps.launchers.errand import Errand
from hone.sweeps.launchers.queued import Queued

_ALIVE = ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "REQUEUED", "PREEMPTED", "COMPLETING", "RESIZING")

_ERROR = re.compile(r"[\w.]+(Error|Exception): ")


@final
@dataclass(frozen=True)
class Habits:
    """How a queue treats its jobs."""

    make: Callable[[Path], Any]
    """An executor of submitit, with a folder for its files."""
    end: Callable[[Any], None]
    """Asks a job to end: it may save itself."""
    notice: float
    """Seconds between being told that time is up and being killed."""
    patience: float
    """Seconds that a job which was asked to end waits for being killed, and perhaps queued again."""


@final
class Submitted(Distant):
    """A job outlives a driver that is killed: a note with its number lets the next one find it again."""

    def __init__(self, habits: Habits, folder: Path, limit: int, timeout: float | None, threads: int) -> None:
        super().__init__(limit, timeout, threads)
        self.habits, self.folder = habits, folder / ".submitit"
        self.executor: Any = None
        self.jobs: dict[str, Any] = {}

    def submit(self, errands: Mapping[str, Errand]) -> None:
        from submitit.core.utils import FailedSubmissionError, UncompletedJobError

        logging.getLogger("submitit").setLevel(logging.ERROR)  # it warns on and on where no accounts are kept
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # whoever may write here decides what is run
        self.executor = self.executor or self.habits.make(self.folder)
        self.jobs |= {key: job for key in errands if (job := self._left_behind(key)) is not None}
        new = {
            key: Queued(errand, self.habits.notice, self.habits.patience)
            for key, errand in errands.items()
            if key not in self.jobs
        }
        try:
            jobs = self.executor.submit_array([*new.values()]) if new else []
        except (FailedSubmissionError, UncompletedJobError, OSError) as error:
            raise UserError(f"hydra.launcher: the queue did not take the jobs: {briefly(error)}") from error
        for key, job in zip(new, jobs, strict=True):
            self._note(key).write_text(job.job_id, encoding="utf-8")
            self.jobs[key] = job

    def ended(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        with _without_stderr():
            done = [key for key, job in self.jobs.items() if job.done()]
        for key in done:
            job = self.jobs.pop(key)
            yield key, _words(job)
            for path in (job.paths.submitted_pickle, job.paths.result_pickle, self._note(key)):
                path.unlink(missing_ok=True)

    def cancel(self, keys: Iterable[str], kindly: bool) -> None:
        """Always kindly: a queue itself kills what takes too long to end."""
        for key in keys:
            if key in self.jobs:
                self.habits.end(self.jobs[key])

    def _left_behind(self, key: str) -> Any:
        """A job that a driver before this one had handed over, if it is still there."""
        with suppress(OSError):
            job = self.executor.job_class(self.folder, self._note(key).read_text(encoding="utf-8"))
            with _without_stderr():
                state = job.get_info().get("State", "")
            if state.startswith(_ALIVE):
                return job
        return None

    def _note(self, key: str) -> Path:
        return self.folder / f"{key}.job"


@contextmanager
def _without_stderr() -> Iterator[None]:
    """While this is open no process that is started can print an error.

    submitit asks `sacct` for the states of jobs. On a cluster that keeps no accounts each call prints that, and the
    states are unknown, which is no error: a job ends when its result is there.
    """
    sys.stderr.flush()
    before, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nothing)


def _words(job: Any) -> Mapping[str, Any]:
    from submitit.core.utils import UncompletedJobError

    try:
        return dict(job.result())
    except UncompletedJobError as error:
        said = str(error).splitlines()
        why = next((line for line in reversed(said) if _ERROR.match(line)), said[0])
        return {"state": "failed", "reason": redact_text(f"job {job.job_id}: {why}")}
