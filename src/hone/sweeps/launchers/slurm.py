"""Runs as jobs of a SLURM cluster."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError
from hone.core.value_types import Count, Index, Line, Positive
from hone.sweeps.launchers.base import RemoteLauncher, require_package
from hone.sweeps.launchers.submitted import Habits, Submitted

_FLAGS = ("partition", "account", "qos", "constraint", "exclude", "gres", "gpus_per_node")
_PATIENCE = 60.0
"""A pre-empted job that ends by itself is not queued again; SLURM kills it soon, and does that."""


@final
@dataclass(frozen=True)
class Slurm(RemoteLauncher):
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

    def remote(self, limit: int, timeout: float | None, folder: Path) -> Submitted:
        make = partial(self._executor, f"hone-{folder.name}")
        habits = Habits(make, lambda job: job.cancel(check=False), notice=self.signal_delay_s, patience=_PATIENCE)
        return Submitted(habits, folder, limit, timeout, self.cpus_per_task)

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
