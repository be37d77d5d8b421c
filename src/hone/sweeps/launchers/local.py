"""The runs are processes of this machine, forked from one that has loaded all libraries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.sweeps.launchers.base import Launcher
from hone.sweeps.places import places
from hone.sweeps.pool import Pool
from hone.sweeps.sweep import Sweep


@final
@dataclass(frozen=True)
class Local(Launcher):
    """The launcher that needs nothing else."""

    elsewhere = False

    def require(self, sweep: Sweep) -> None:
        """What this machine lacks is reported once torch has counted its devices."""

    def workers(self, sweep: Sweep, folder: Path, devices: int) -> Pool:
        return Pool(places(sweep.workers, sweep.trials_per_gpu, devices), sweep.trial_timeout)
