"""`-m`: from a command line to the cells of its sweep, and to the function that the command sweeps with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from hone.config.application import Application
from hone.config.build import build
from hone.config.check import check_node, sweep_function
from hone.config.command_line import without_open_columns
from hone.config.job import Invocation, default_name
from hone.config.tree import options
from hone.core.errors import UserError, did_you_mean, join_names
from hone.runs.sweep_file import Cell
from hone.sweeps.hydra import axes as space
from hone.sweeps.hydra.jobs import Jobs
from hone.sweeps.jobs import Ready
from hone.sweeps.launchers.launcher import Launcher
from hone.sweeps.space import Space
from hone.sweeps.start import Commanded
from hone.sweeps.sweep import Sweep
from hone.tracking.wandb.client import agent_run

_OF_HYDRA = ("hydra.", "hydra_plugins.")


def launcher_of(config: DictConfig, sweep: Sweep, trust: frozenset[str]) -> Launcher:
    """Return the launcher that a config names, built like any other part of it and ready to be used."""
    choice = str(config.hydra.runtime.choices.get("hydra/launcher"))
    node: Any = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    if str(node.get("_target_")).startswith(_OF_HYDRA):
        ours = options("hydra/launcher")
        raise UserError(
            f"hydra/launcher={choice}: a launcher of Hydra's; it takes cells in batches, and a sweep of hone's starts "
            f"them one by one.{did_you_mean(choice, ours)} The default is local; there are {join_names(ours)}."
        )
    launcher: Launcher = build(check_node(node, "hydra.launcher", trust), Launcher, "hydra.launcher", trust)
    launcher.require(sweep)
    return launcher


def sweep(task_function: Callable[..., Any], context: HydraContext, config: DictConfig, words: Sequence[str]) -> None:
    """Run a whole sweep and set the application's exit code."""
    application = getattr(task_function, "__self__", None)
    entry = sweep_function(application.command) if isinstance(application, Application) else None
    if entry is None:
        raise UserError("hydra/sweeper=hone is for hone train and hone plan; other commands take hydra/sweeper=basic.")
    setup_globals()
    module, _, name = entry.rpartition(".")
    commanded = _commanded(application, context, config, words)
    application.code = getattr(importlib.import_module(module), name)(commanded)


def _commanded(application: Application, context: HydraContext, config: DictConfig, words: Sequence[str]) -> Commanded:
    settings = _sweep_of(config, application)
    fixed, axes = space.read(words, settings, context.config_loader)
    ours = f"{application.command}."  # such as plan.time: it is for all runs together
    if several := [name for name in axes.keys if name.startswith(ours)]:
        raise UserError(f"{several[0]}: it applies to the {application.command} as a whole; give it one value.")
    fixed = [word for word in fixed if not word.startswith(ours)]
    axes = replace(axes, fixed=tuple(fixed))
    folder = Path(str(config.output_root), settings.name or _name(config, fixed, axes)).absolute()
    with open_dict(config):
        config.hydra.sweep.dir = str(folder)
    jobs = Jobs(application, context, config)

    def ready(cell: Cell) -> Ready:
        return jobs.ready([f"hydra.sweep.dir='{folder}'", *fixed], cell)

    return Commanded(
        sweep=settings,
        space=axes,
        make=ready,
        folder=folder,
        invocation=Invocation.of(["-m", *map(without_open_columns, words)], config.hydra.runtime.choices),
        launcher=launcher_of(config, settings, application.line.trusted),
        options=_plain(config.get(application.command) or {}),
    )


def _sweep_of(config: DictConfig, application: Application) -> Sweep:
    node = check_node(_plain(config.sweep), "sweep", application.line.trusted)
    made: Sweep = build(node, Sweep, "sweep", application.line.trusted)
    return made


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _name(config: DictConfig, fixed: Sequence[str], axes: Space) -> str:
    """The name of what all runs share and of the keys that vary: a wider sweep of the same keys is the same sweep."""
    base = config.name or default_name(config.hydra.runtime.choices, config)
    named = f"{base}-by-{'-'.join(key.lstrip('+').rpartition('.')[2] for key in axes.keys)}"
    point = agent_run().get("id")  # of a sweep of W&B's, which may have others done at the same time
    return f"{named}-{point}" if point else named
