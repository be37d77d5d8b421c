"""The contract of a launcher, which starts the runs of a sweep one by one, and the launcher of this machine."""

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
from hone.sweeps.sweep import Sweep
from hone.sweeps.workers import LocalWorkers, Workers


class Launcher(ABC):
    """A config's `hydra.launcher`. A new one is a class here and its YAML file in `conf/hydra/launcher/`."""

    elsewhere: bool
    """Whether the runs may be on other machines, with other devices than this one."""

    @abstractmethod
    def require(self, sweep: Sweep) -> None:
        """Raise UserError if a package or a program is missing, or if this launcher does not support a setting."""

    @abstractmethod
    def workers(self, sweep: Sweep, folder: Path, devices: int) -> Workers:
        """Return the workers that run the cells. `folder` is the sweep's; `devices` is the number that a run needs."""


class RemoteLauncher(Launcher):
    """A launcher that submits runs to other machines."""

    elsewhere = True

    @abstractmethod
    def require_installed(self) -> None:
        """Raise UserError if a package or a program is missing."""

    @abstractmethod
    def remote(self, limit: int, timeout: float | None, folder: Path) -> RemoteWorkers:
        """Return workers that run at most `limit` cells at a time, each for at most `timeout` seconds."""

    @final
    def require(self, sweep: Sweep) -> None:
        if sweep.workers == "auto" and sweep.sampler.learns:
            raise UserError(
                "sweep.workers=auto: this launcher takes all cells at once, so the sampler could not learn from the "
                "outcomes; set the number of runs at a time, such as sweep.workers=4."
            )
        if sweep.trials_per_gpu != 1:
            raise UserError(
                f"sweep.trials_per_gpu={sweep.trials_per_gpu}: this launcher assigns GPUs to runs itself; leave it "
                "at 1 (with hydra/launcher=ray, hydra.launcher.gpus_per_run does this)."
            )
        self.require_installed()

    @final
    def workers(self, sweep: Sweep, folder: Path, devices: int) -> RemoteWorkers:
        limit = sys.maxsize if sweep.workers == "auto" else sweep.workers
        return self.remote(limit, sweep.trial_timeout, folder)


def require_package(module: str, launcher: str, extra: str) -> None:
    """Raise UserError, with the command that installs it, if a module is missing."""
    if find_spec(module) is None:
        raise UserError(
            f"hydra/launcher={launcher} needs {module}, which is not installed: pip install 'hone-lab[{extra}]', "
            "or hydra/launcher=local."
        )


@final
@dataclass(frozen=True)
class LocalLauncher(Launcher):
    """Runs cells on this machine, in forked processes."""

    elsewhere = False

    def require(self, sweep: Sweep) -> None:
        """Whether this machine has the devices is checked later, when torch has counted them."""

    def workers(self, sweep: Sweep, folder: Path, devices: int) -> LocalWorkers:
        return LocalWorkers(find_slots(sweep.workers, sweep.trials_per_gpu, devices), sweep.trial_timeout)
