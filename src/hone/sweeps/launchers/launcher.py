"""The contract of a launcher. It starts the runs of a sweep one by one, so searches and pruners need no batches."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import final

from hone.core.errors import UserError
from hone.sweeps.launchers.remote import RemoteWorkers
from hone.sweeps.process import find_slots
from hone.sweeps.sweep import SweepSettings
from hone.sweeps.workers import LocalWorkers, Workers


class Launcher(ABC):
    """A config's `hydra.launcher`. A new one is a class here and its YAML file in `conf/hydra/launcher/`."""

    elsewhere: bool
    """Whether the runs may be on other machines, with other devices."""

    @abstractmethod
    def require(self, sweep: SweepSettings) -> None:
        """Raises UserError where a package or a program is missing, or where this launcher cannot do what a key of the
        sweep says."""

    @abstractmethod
    def workers(self, sweep: SweepSettings, folder: Path, devices: int) -> Workers:
        """Return who runs the cells. `folder` is the sweep's, and a run needs so many `devices`."""


class RemoteLauncher(Launcher):
    """A launcher that hands runs over to other machines."""

    elsewhere = True

    @abstractmethod
    def require_installed(self) -> None:
        """Raises UserError where a package or a program is missing."""

    @abstractmethod
    def remote(self, limit: int, timeout: float | None, folder: Path) -> RemoteWorkers:
        """Return workers that run at most `limit` cells at a time, each for at most `timeout` seconds."""

    @final
    def require(self, sweep: SweepSettings) -> None:
        if sweep.workers == "auto" and sweep.sampler.learns:
            raise UserError(
                "sweep.workers=auto: this launcher takes all cells at once, and then none of them could be drawn by "
                "what came of the others; give the number of runs at a time: sweep.workers=4."
            )
        if sweep.trials_per_gpu != 1:
            raise UserError(
                f"sweep.trials_per_gpu={sweep.trials_per_gpu}: this launcher itself assigns GPUs to runs; leave it "
                "at 1 (and see hydra.launcher.gpus_per_run, for hydra/launcher=ray)."
            )
        self.require_installed()

    @final
    def workers(self, sweep: SweepSettings, folder: Path, devices: int) -> RemoteWorkers:
        return self.remote(sys.maxsize if sweep.workers == "auto" else sweep.workers, sweep.trial_timeout, folder)


def require_package(module: str, launcher: str, extra: str) -> None:
    """Raises UserError with the line that installs it."""
    if find_spec(module) is None:
        raise UserError(
            f"hydra/launcher={launcher} needs {module}, which is not installed: pip install 'hone-lab[{extra}]', "
            "or hydra/launcher=local."
        )


@final
@dataclass(frozen=True)
class LocalLauncher(Launcher):
    """The launcher that needs nothing else."""

    elsewhere = False

    def require(self, sweep: SweepSettings) -> None:
        """What this machine lacks is reported once torch has counted its devices."""

    def workers(self, sweep: SweepSettings, folder: Path, devices: int) -> LocalWorkers:
        return LocalWorkers(find_slots(sweep.workers, sweep.trials_per_gpu, devices), sweep.trial_timeout)
