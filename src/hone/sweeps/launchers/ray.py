"""Runs as tasks of a Ray cluster, or of a Ray that is started here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.core.value_types import Count, Index, NotNegative
from hone.sweeps.launchers.base import RemoteLauncher, require_package
from hone.sweeps.launchers.tasks import Tasks


@final
@dataclass(frozen=True)
class Ray(RemoteLauncher):
    """`conf/hydra/launcher/ray.yaml` says what each key means."""

    address: str | None
    num_cpus: Count | None
    cpus_per_run: Count
    gpus_per_run: NotNegative
    retries: Index

    def require_installed(self) -> None:
        require_package("ray", "ray", "ray")

    def remote(self, limit: int, timeout: float | None, folder: Path) -> Tasks:
        return Tasks(self.address, self.num_cpus, self.gpus_per_run, self.retries, limit, timeout, self.cpus_per_run)
