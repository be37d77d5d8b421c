"""Jobs of submitit on this machine: what SLURM would do with a sweep, tried out without one."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.core.value_types import Count, Index, Positive
from hone.sweeps.launchers.base import RemoteLauncher, require_package
from hone.sweeps.launchers.submitted import Habits, Submitted

_MORE_GOES = 5
"""As often as submitit itself begins a job of this machine again."""


@final
@dataclass(frozen=True)
class SlurmLocal(RemoteLauncher):
    """`conf/hydra/launcher/slurm_local.yaml` says what each key means."""

    timeout_min: Positive
    signal_delay_s: Count
    cpus_per_task: Count
    gpus_per_node: Index

    def require_installed(self) -> None:
        require_package("submitit", "slurm_local", "slurm")

    def remote(self, limit: int, timeout: float | None, folder: Path) -> Submitted:
        habits = Habits(self._executor, _end, notice=self.signal_delay_s, patience=0.0)
        return Submitted(habits, folder, limit, timeout, self.cpus_per_task)

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
