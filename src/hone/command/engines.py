"""Who runs the cells of a sweep, as `hydra/launcher` has it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from hone.build import build
from hone.check import check_node
from hone.command.application import Application
from hone.command.launched import Launched
from hone.errors import UserError
from hone.sweeps.launchers.base import Launcher
from hone.sweeps.sweep import Sweep
from hone.sweeps.workers import Workers

_PLUGIN = "hydra_plugins.hone_sweeper.launcher."
_LOCAL = f"{_PLUGIN}HoneLauncher"
_OURS = {
    f"{_PLUGIN}SlurmLauncher": "hone.sweeps.launchers.slurm.Slurm",
    f"{_PLUGIN}SlurmLocalLauncher": "hone.sweeps.launchers.slurm_local.SlurmLocal",
    f"{_PLUGIN}RayLauncher": "hone.sweeps.launchers.ray.Ray",
}


def launcher_of(config: DictConfig, application: Application) -> Launcher | None:
    """The one of ours that a config names, ready to be used, if it is not the local one."""
    values: Any = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    if values["_target_"] not in _OURS:
        return None
    trust = application.line.vouched
    node = check_node(values | {"_target_": _OURS[values["_target_"]]}, "hydra.launcher", trust)
    launcher: Launcher = build(node, Launcher, "hydra.launcher", trust)
    launcher.require()
    return launcher


def engine(
    task_function: Callable[..., Any], context: HydraContext, config: DictConfig, told: Sweep, folder: Path
) -> Workers | None:
    """None: processes of this machine."""
    target = str(config.hydra.launcher._target_)
    if target == _LOCAL:
        return None
    application: Application = task_function.__self__  # type: ignore[attr-defined]  # a bound method
    name = str(config.hydra.runtime.choices["hydra/launcher"])
    _require_a_number(told, name)
    limit = sys.maxsize if told.workers == "auto" else told.workers
    launcher = launcher_of(config, application)
    if launcher is not None:
        return launcher.workers(limit, told.trial_timeout, folder)
    if told.trial_timeout is not None:
        raise UserError(
            f"sweep.trial_timeout={told.trial_timeout:g}: nothing ends a run that hydra/launcher={name} has begun; "
            "say sweep.trial_timeout=null, or hydra/launcher=local, slurm or ray."
        )
    plugin = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task_function, config=config)
    return Launched(plugin, batch=limit)


def _require_a_number(told: Sweep, name: str) -> None:
    if told.workers == "auto" and told.sampler.learns:
        raise UserError(
            f"sweep.workers=auto: hydra/launcher={name} takes all cells at once, and then none of them could be drawn "
            f"by what came of the others; say how many run at a time: sweep.workers=4."
        )
    if told.trials_per_gpu != 1:
        raise UserError(
            f"sweep.trials_per_gpu={told.trials_per_gpu}: with hydra/launcher={name} that launcher says which run has "
            "which GPU; leave it at 1 (and see gpus_per_run, where it is ray)."
        )
