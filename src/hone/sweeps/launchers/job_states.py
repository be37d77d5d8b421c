"""Whether the jobs of a queue have ended. A job that ends by itself leaves a result; one that is killed does not."""

from __future__ import annotations

import os
import subprocess
import textwrap
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, final

from hone.core.errors import UserError, one_line

_ASK_EVERY = 10.0
"""Seconds between two questions to SLURM's controller, which all users share."""
_ANSWER_WITHIN = 60.0
_FRESH = 2.0
"""Seconds for which an answer can decide whether a run is submitted again."""
_FORGOTTEN = "unknown to squeue"
_ENDED = {
    _FORGOTTEN,
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
"""A job in any other state is waiting, running, or about to be queued again."""


class JobStates(ABC):
    """Asks a queue about jobs of submitit."""

    @abstractmethod
    def exists(self, job: Any) -> bool:
        """Whether a job is queued or running at this moment; raise UserError if the queue does not say."""

    @abstractmethod
    def ended(self, job: Any) -> str | None:
        """Return the last state of a job that has ended for certain, otherwise None."""


@final
class LocalJobStates(JobStates):
    """Looks at the process of a job. The jobs of an earlier command have another parent, and count as ended."""

    def exists(self, job: Any) -> bool:
        return self.ended(job) is None

    def ended(self, job: Any) -> str | None:
        state = str(job.get_info()["jobState"])
        return None if state == "RUNNING" else state


@final
class SlurmJobStates(JobStates):
    """Asks `squeue` about all jobs of this user at once.

    submitit asks `sacct`, which needs a cluster that keeps accounts, and which learns late of a new job.
    """

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.answered = float("-inf")
        self.absences: dict[str, int] = {}  # by job: how many answers in a row have said that it has ended

    def exists(self, job: Any) -> bool:
        if time.monotonic() - self.answered > _FRESH:
            self._ask()
        return self.states.get(job.job_id, _FORGOTTEN) not in _ENDED

    def ended(self, job: Any) -> str | None:
        """Two answers in a row must say that a job has ended, because its result may still be on its way."""
        self.absences.setdefault(job.job_id, 0)
        if time.monotonic() - self.answered > _ASK_EVERY:
            with suppress(UserError):  # the controller restarts or is busy: nothing is known now
                self._ask()
        return self.states.get(job.job_id, _FORGOTTEN) if self.absences[job.job_id] > 1 else None

    def _ask(self) -> None:
        command = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i %T"]
        settings = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
        self.answered = time.monotonic()
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_WITHIN, env=settings)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"hydra.launcher: squeue does not say which jobs exist: {one_line(error)}") from error
        if answer.returncode:
            raise UserError(f"hydra.launcher: squeue does not say which jobs exist: {_shorten(answer.stderr)}")
        self.states = dict(line.split(maxsplit=1) for line in answer.stdout.splitlines() if " " in line)
        for name in self.absences:
            ended = self.states.get(name, _FORGOTTEN) in _ENDED
            self.absences[name] = self.absences[name] + 1 if ended else 0


def _shorten(text: str) -> str:
    return textwrap.shorten(text, 300, placeholder=" …")


def cancel(job: Any) -> None:
    """Ask SLURM to end a job. If there is no such job any more, that is as good."""
    subprocess.run(["scancel", job.job_id], capture_output=True, check=False)  # noqa: S603, S607
