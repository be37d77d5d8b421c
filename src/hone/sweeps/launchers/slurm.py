"""Runs as jobs of a SLURM cluster."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, final

from hone.core.errors import UserError, one_line
from hone.core.redact import redact_text
from hone.core.value_types import Count, Index, Line, Positive
from hone.sweeps.launchers.launcher import RemoteLauncher, require_package
from hone.sweeps.launchers.remote import RemoteJob, RemoteWorkers, RunningJob

_SHARE = 0.8
"""Of the time before the end, for the run to save itself; the rest is for queueing again."""


@final
class SubmititJob:
    """A run's folder holds all that it goes on with, so nothing else is to be kept between two goes."""

    def __init__(self, errand: RemoteJob, notice: float, patience: float) -> None:
        self.errand, self.notice, self.patience = errand, notice, patience
        self.running: RunningJob | None = None

    def __call__(self) -> dict[str, Any]:
        self.running = self.errand.begin()
        signal.signal(signal.SIGTERM, self._pass_on)
        words = self.running.words()
        if words["state"] == "preempted" and self.running.asked:
            time.sleep(self.patience)
        return words

    def checkpoint(self) -> Any:
        """Called when time is up, or somebody else needs the machine: what is to be called next time."""
        from submitit.helpers import DelayedSubmission

        if self.running is not None:
            self.running.stop(_SHARE * self.notice)
        return DelayedSubmission(SubmititJob(self.errand, self.notice, self.patience))

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self.running is not None:
            self.running.ask()


_ALIVE = ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "REQUEUED", "PREEMPTED", "COMPLETING", "RESIZING")

_ERROR = re.compile(r"[\w.]+(Error|Exception): ")


@final
@dataclass(frozen=True)
class QueuePolicy:
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
class SubmititWorkers(RemoteWorkers):
    """A job outlives a driver that is killed: a note with its number lets the next one find it again."""

    def __init__(self, habits: QueuePolicy, folder: Path, limit: int, timeout: float | None, threads: int) -> None:
        super().__init__(limit, timeout, threads)
        self.habits, self.folder = habits, folder / ".submitit"
        self.executor: Any = None
        self.jobs: dict[str, Any] = {}

    def submit(self, errands: Mapping[str, RemoteJob]) -> None:
        from submitit.core.utils import FailedSubmissionError, UncompletedJobError

        logging.getLogger("submitit").setLevel(logging.ERROR)  # it warns on and on where no accounts are kept
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # whoever may write here decides what is run
        self.executor = self.executor or self.habits.make(self.folder)
        self.jobs |= {key: job for key in errands if (job := self._left_behind(key)) is not None}
        new = {
            key: SubmititJob(errand, self.habits.notice, self.habits.patience)
            for key, errand in errands.items()
            if key not in self.jobs
        }
        try:
            jobs = self.executor.submit_array([*new.values()]) if new else []
        except (FailedSubmissionError, UncompletedJobError, OSError) as error:
            raise UserError(f"hydra.launcher: the queue did not take the jobs: {one_line(error)}") from error
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


_FLAGS = ("partition", "account", "qos", "constraint", "exclude", "gres", "gpus_per_node")
_PATIENCE = 60.0
"""A pre-empted job that ends by itself is not queued again; SLURM kills it soon, and does that."""


@final
@dataclass(frozen=True)
class SlurmLauncher(RemoteLauncher):
    """`conf/hydra/launcher/slurm.yaml` says what each key means."""

    timeout_min: Count
    max_num_timeout: Index
    signal_delay_s: Count
    cpus_per_task: Count
    mem_gb: Positive | None
    gpus_per_node: Count | None
    gres: Line | None
    partition: Line | None
    account: Line | None
    qos: Line | None
    constraint: Line | None
    exclude: Line | None
    array_parallelism: Count
    additional_parameters: Mapping[Line, Line]

    def require_installed(self) -> None:
        require_package("submitit", "slurm", "slurm")
        absent = [name for name in ("sbatch", "srun", "scontrol", "scancel") if shutil.which(name) is None]
        if absent:
            raise UserError(
                f"hydra/launcher=slurm: there is no {absent[0]} here; say it on a machine that hands jobs over to "
                "SLURM, or hydra/launcher=local."
            )

    def remote(self, limit: int, timeout: float | None, folder: Path) -> SubmititWorkers:
        make = partial(self._executor, f"hone-{folder.name}")
        habits = QueuePolicy(make, lambda job: job.cancel(check=False), notice=self.signal_delay_s, patience=_PATIENCE)
        return SubmititWorkers(habits, folder, limit, timeout, self.cpus_per_task)

    def _executor(self, name: str, folder: Path) -> Any:
        from submitit import SlurmExecutor

        executor = SlurmExecutor(folder, max_num_timeout=self.max_num_timeout)
        told = {flag: getattr(self, flag) for flag in _FLAGS}
        executor.update_parameters(
            job_name=name,
            time=self.timeout_min,
            cpus_per_task=self.cpus_per_task,
            signal_delay_s=self.signal_delay_s,
            array_parallelism=self.array_parallelism,
            additional_parameters={"requeue": True, **self.additional_parameters},
            **{flag: value for flag, value in told.items() if value is not None},
            **({"mem": f"{round(self.mem_gb * 1024)}MB"} if self.mem_gb is not None else {}),
        )
        return executor


_MORE_GOES = 5
"""As often as submitit itself begins a job of this machine again."""


@final
@dataclass(frozen=True)
class SlurmLocalLauncher(RemoteLauncher):
    """`conf/hydra/launcher/slurm_local.yaml` says what each key means."""

    timeout_min: Positive
    signal_delay_s: Count
    cpus_per_task: Count
    gpus_per_node: Index

    def require_installed(self) -> None:
        require_package("submitit", "slurm_local", "slurm")

    def remote(self, limit: int, timeout: float | None, folder: Path) -> SubmititWorkers:
        habits = QueuePolicy(self._executor, _end, notice=self.signal_delay_s, patience=0.0)
        return SubmititWorkers(habits, folder, limit, timeout, self.cpus_per_task)

    def _executor(self, folder: Path) -> Any:
        from submitit import LocalExecutor

        executor = LocalExecutor(folder, max_num_timeout=_MORE_GOES)
        executor.update_parameters(
            timeout_min=self.timeout_min, signal_delay_s=self.signal_delay_s, gpus_per_node=self.gpus_per_node
        )
        return executor


def _end(job: Any) -> None:
    """A job's number is that of the process that began it, which passes the signal on."""
    with suppress(ProcessLookupError):
        os.kill(int(job.job_id), signal.SIGTERM)
