"""The sweeper: from a command line with `-m` to a `SweepRequest`, and to the command's function for sweeps."""

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
from hone.sweeps.hydra.axes import read_space
from hone.sweeps.hydra.jobs import Jobs
from hone.sweeps.jobs import Ready
from hone.sweeps.launchers.launcher import Launcher
from hone.sweeps.space import Space
from hone.sweeps.start import SweepRequest
from hone.sweeps.sweep import Sweep
from hone.tracking.wandb.client import agent_run

_HYDRA_TARGETS = ("hydra.", "hydra_plugins.")


def launcher_of(config: DictConfig, sweep: Sweep, trust: frozenset[str]) -> Launcher:
    """Build the launcher that a config names, and check that it works for this sweep."""
    choice = str(config.hydra.runtime.choices.get("hydra/launcher"))
    node: Any = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    if str(node.get("_target_")).startswith(_HYDRA_TARGETS):
        names = options("hydra/launcher")
        raise UserError(
            f"hydra/launcher={choice}: a launcher of Hydra's, which takes cells in batches; hone starts them one by "
            f"one.{did_you_mean(choice, names)} The options are {join_names(names)}; the default is local."
        )
    launcher: Launcher = build(check_node(node, "hydra.launcher", trust), Launcher, "hydra.launcher", trust)
    launcher.require(sweep)
    return launcher


def run_sweep(
    task_function: Callable[..., Any], context: HydraContext, config: DictConfig, words: Sequence[str]
) -> None:
    """Run a whole sweep and set the application's exit code."""
    application = getattr(task_function, "__self__", None)
    entry = sweep_function(application.command) if isinstance(application, Application) else None
    if not isinstance(application, Application) or entry is None:
        raise UserError("hydra/sweeper=hone is for hone train and hone plan; other commands need hydra/sweeper=basic.")
    setup_globals()
    module, _, name = entry.rpartition(".")
    request = _make_request(application, context, config, words)
    application.code = getattr(importlib.import_module(module), name)(request)


def _make_request(
    application: Application, context: HydraContext, config: DictConfig, words: Sequence[str]
) -> SweepRequest:
    settings = _build_settings(config, application)
    fixed, space = read_space(words, settings, context.config_loader)
    own_section = f"{application.command}."  # such as plan.time: it applies to all runs together
    varied = [name for name in space.keys if name.startswith(own_section)]
    if varied:
        raise UserError(f"{varied[0]}: it applies to the {application.command} as a whole; give it one value.")
    fixed = [word for word in fixed if not word.startswith(own_section)]
    space = replace(space, fixed=tuple(fixed))
    folder = Path(str(config.output_root), settings.name or _default_folder_name(config, space)).absolute()
    with open_dict(config):
        config.hydra.sweep.dir = str(folder)
    jobs = Jobs(application, context, config)

    def ready(cell: Cell) -> Ready:
        return jobs.ready([f"hydra.sweep.dir='{folder}'", *fixed], cell)

    return SweepRequest(
        sweep=settings,
        space=space,
        make=ready,
        folder=folder,
        invocation=Invocation.of(["-m", *map(without_open_columns, words)], config.hydra.runtime.choices),
        launcher=launcher_of(config, settings, application.line.trusted),
        options=_plain(config.get(application.command) or {}),
    )


def _build_settings(config: DictConfig, application: Application) -> Sweep:
    node = check_node(_plain(config.sweep), "sweep", application.line.trusted)
    settings: Sweep = build(node, Sweep, "sweep", application.line.trusted)
    return settings


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _default_folder_name(config: DictConfig, space: Space) -> str:
    """Name a sweep after what all runs share and the keys that vary, not their values.

    So more values for the same keys continue the same sweep.
    """
    base = config.name or default_name(config.hydra.runtime.choices, config)
    keys = [key.lstrip("+").rpartition(".")[2] for key in space.keys]
    name = f"{base}-by-{'-'.join(keys)}"
    point = agent_run().get("id")  # this sweep is one point of W&B's own sweep, which may run others at the same time
    return f"{name}-{point}" if point else name
