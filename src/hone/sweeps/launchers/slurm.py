"""The SLURM launcher: each run is a job of a SLURM cluster. `slurm_local` does the same without a cluster.

Both use submitit: first the launchers, which are configs; then the workers, which submit jobs and wait for them on the
submitting machine; then the job, which is what runs on the cluster."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, final

from hone.core.errors import UserError, one_line
from hone.core.redact import redact_text
from hone.core.value_types import Count, Index, Line, Positive
from hone.sweeps.launchers.job_states import JobStates, LocalJobStates, SlurmJobStates, cancel
from hone.sweeps.launchers.launcher import RemoteLauncher, require_package
from hone.sweeps.launchers.remote import RemoteJob, RemoteWorkers, RunningJob

_SAVE_SHARE = 0.8
"""The fraction of the notice in which a run may save itself; the rest is for queueing the job again."""
_KILL_WAIT = 60.0
"""Seconds that a preempted job waits to be killed: SLURM queues killed jobs again, not those that end by themselves."""
_LOCAL_RESTARTS = 5
"""As often as submitit itself restarts a local job."""
_FLAGS = ("partition", "account", "qos", "constraint", "exclude", "gres", "gpus_per_node")
_PROGRAMS = ("sbatch", "srun", "scontrol", "scancel", "squeue")
_ERROR = re.compile(r"[\w.]+(Error|Exception): ")


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
        absent = [name for name in _PROGRAMS if shutil.which(name) is None]
        if absent:
            raise UserError(
                f"hydra/launcher=slurm: there is no {absent[0]} here; run this command on a machine that submits jobs "
                "to SLURM, or use hydra/launcher=local."
            )

    def remote(self, limit: int, timeout: float | None, folder: Path) -> SubmititWorkers:
        executor = partial(self._executor, f"hone-{folder.name}")
        policy = QueuePolicy(executor, cancel, SlurmJobStates(), self.signal_delay_s, _KILL_WAIT)
        return SubmititWorkers(policy, folder, limit, timeout, self.cpus_per_task)

    def _executor(self, name: str, folder: Path) -> Any:
        from submitit import SlurmExecutor

        executor = SlurmExecutor(folder, max_num_timeout=self.max_num_timeout)
        flags = {flag: getattr(self, flag) for flag in _FLAGS}
        executor.update_parameters(
            job_name=name,
            time=self.timeout_min,
            cpus_per_task=self.cpus_per_task,
            signal_delay_s=self.signal_delay_s,
            array_parallelism=self.array_parallelism,
            additional_parameters={"requeue": True, **self.additional_parameters},
            **{flag: value for flag, value in flags.items() if value is not None},
            **({"mem": f"{round(self.mem_gb * 1024)}MB"} if self.mem_gb is not None else {}),
        )
        return executor


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
        policy = QueuePolicy(self._executor, _terminate, LocalJobStates(), self.signal_delay_s, kill_wait=0.0)
        return SubmititWorkers(policy, folder, limit, timeout, self.cpus_per_task)

    def _executor(self, folder: Path) -> Any:
        from submitit import LocalExecutor

        executor = LocalExecutor(folder, max_num_timeout=_LOCAL_RESTARTS)
        executor.update_parameters(
            timeout_min=self.timeout_min, signal_delay_s=self.signal_delay_s, gpus_per_node=self.gpus_per_node
        )
        return executor


def _terminate(job: Any) -> None:
    """End a local job. Its id is that of the process that started it, which passes the signal on."""
    with suppress(ProcessLookupError):
        os.kill(int(job.job_id), signal.SIGTERM)


@final
@dataclass(frozen=True)
class QueuePolicy:
    """How a queue treats its jobs."""

    make_executor: Callable[[Path], Any]
    """Makes an executor of submitit; its files go into the given folder."""
    end: Callable[[Any], None]
    """Asks a job to end; the job may save itself first."""
    states: JobStates
    notice: float
    """Seconds between the warning that time is up and the kill."""
    kill_wait: float
    """Seconds that a job which was asked to end waits to be killed and queued again."""


@final
class SubmititWorkers(RemoteWorkers):
    """Submits jobs with submitit. A job outlives a killed driver: the next one finds its id in a file."""

    def __init__(self, policy: QueuePolicy, folder: Path, limit: int, timeout: float | None, threads: int) -> None:
        super().__init__(limit, timeout, threads)
        self.policy, self.folder = policy, folder / ".submitit"
        self.executor: Any = None
        self.jobs: dict[str, Any] = {}  # jobs of submitit, by key

    def submit(self, jobs: Mapping[str, RemoteJob]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # whoever can write here decides what runs
        self.executor = self.executor or self.policy.make_executor(self.folder)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another command for this sweep must not submit the same runs
            self._adopt(jobs)
            self._submit_new({key: job for key, job in jobs.items() if key not in self.jobs})

    def ended(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        with suppress(OSError):
            os.utime(self.folder)  # otherwise a network file system may hide new results for a minute
        for key, job in list(self.jobs.items()):
            result = self._result(key, job)
            if result is not None:
                del self.jobs[key]
                yield key, result
                self._forget(key, job)

    def cancel(self, keys: Iterable[str], gently: bool) -> None:
        """Cancel jobs, always gently: the queue itself kills jobs that take too long to end."""
        for key in keys:
            if key in self.jobs:
                self.policy.end(self.jobs[key])

    def _adopt(self, keys: Iterable[str]) -> None:
        """Take over the jobs that an earlier or another command submitted for these runs, if they still exist."""
        for key in keys:
            with suppress(FileNotFoundError):
                job = self.executor.job_class(self.folder, self._id_file(key).read_text(encoding="utf-8"))
                if self.policy.states.exists(job):
                    self.jobs[key] = job
                else:
                    self._forget(key, job)

    def _submit_new(self, jobs: Mapping[str, RemoteJob]) -> None:
        from submitit.core.utils import FailedSubmissionError, UncompletedJobError

        new = [SubmititJob(job, self.policy.notice, self.policy.kill_wait) for job in jobs.values()]
        try:
            submitted = self.executor.submit_array(new) if new else []
        except (FailedSubmissionError, UncompletedJobError, OSError) as error:
            raise UserError(f"hydra.launcher: the queue did not accept the jobs: {one_line(error)}") from error
        for key, job in zip(jobs, submitted, strict=True):
            self._id_file(key).write_text(job.job_id, encoding="utf-8")
            self.jobs[key] = job

    def _result(self, key: str, job: Any) -> Mapping[str, Any] | None:
        """Return None while a job is queued or running, then its result."""
        if job.paths.result_pickle.exists():
            return _read_result(job)
        if not self._id_file(key).exists():
            return {"state": "interrupted", "reason": f"job {job.job_id}: another command has collected its result"}
        state = self.policy.states.ended(job)
        return None if state is None else {"state": "failed", "reason": _cause_of_end(job, state)}

    def _forget(self, key: str, job: Any) -> None:
        for path in (job.paths.submitted_pickle, job.paths.result_pickle, self._id_file(key)):
            path.unlink(missing_ok=True)

    def _id_file(self, key: str) -> Path:
        return self.folder / f"{key}.job"


def _read_result(job: Any) -> Mapping[str, Any]:
    from submitit.core.utils import UncompletedJobError

    try:
        return dict(job.result())
    except UncompletedJobError as error:
        return {"state": "failed", "reason": _describe(job, str(error).splitlines())}


def _cause_of_end(job: Any, state: str) -> str:
    """Say why a job ended without a result. `state` is its last one in the queue."""
    return _describe(job, [f"it ended without a result, {state}", *(job.stderr() or "").splitlines()])


def _describe(job: Any, lines: Sequence[str]) -> str:
    """Return the last error in the lines, or the first line if there is none."""
    cause = next((line for line in reversed(lines) if _ERROR.match(line)), lines[0])
    return redact_text(f"job {job.job_id}: {cause}")


@final
class SubmititJob:
    """What submitit calls on the cluster. It keeps no state of a run for the next time: that is in the run's folder."""

    def __init__(self, job: RemoteJob, notice: float, kill_wait: float) -> None:
        self.job, self.notice, self.kill_wait = job, notice, kill_wait
        self.running: RunningJob | None = None

    def __call__(self) -> dict[str, Any]:
        self.running = self.job.begin()
        signal.signal(signal.SIGTERM, self._pass_on)
        result = self.running.result()
        if result["state"] == "preempted" and self.running.asked_to_stop:
            time.sleep(self.kill_wait)
        return result

    def checkpoint(self) -> Any:
        """Stop the run and return what submitit calls next time; it calls this on a timeout or a preemption."""
        from submitit.helpers import DelayedSubmission

        if self.running is not None:
            self.running.stop(_SAVE_SHARE * self.notice)
        return DelayedSubmission(SubmititJob(self.job, self.notice, self.kill_wait))

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self.running is not None:
            self.running.ask_to_stop()
