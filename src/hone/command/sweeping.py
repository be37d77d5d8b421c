"""`-m`: from a command to the cells of its sweep, and to the process that runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from hone.build import build
from hone.check import check_node
from hone.command import space
from hone.command.application import Application
from hone.command.engines import engine
from hone.command.jobs import Jobs
from hone.command.line import as_typed_in
from hone.errors import UserError
from hone.invocation import Invocation
from hone.sweeps.cell import Cell
from hone.sweeps.ready import Ready
from hone.sweeps.space import Space
from hone.sweeps.sweep import Sweep


def sweep(task_function: Callable[..., Any], context: HydraContext, config: DictConfig, words: Sequence[str]) -> None:
    """All of a sweep; its end is the application's exit code."""
    application = getattr(task_function, "__self__", None)
    if not isinstance(application, Application) or application.command != "train":
        raise UserError("hydra/sweeper=hone sweeps `hone train` alone; here say hydra/sweeper=basic.")
    setup_globals()
    told = _told(config, application)
    fixed, axes = space.read(words, told, context.config_loader)
    folder = Path(str(config.output_root), told.name or _name(config, fixed, axes)).absolute()
    with open_dict(config):
        config.hydra.sweep.dir = str(folder)
    place = f"hydra.sweep.dir='{folder}'"
    jobs = Jobs(application, context, config)

    def ready(cell: Cell) -> Ready:
        return jobs.ready([place, *fixed], cell)

    from hone.sweeps.conduct import conduct

    workers = engine(task_function, context, config, told, folder)
    application.code = conduct(told, axes, ready, folder, Invocation.of(["-m", *map(as_typed_in, words)], {}), workers)


def _told(config: DictConfig, application: Application) -> Sweep:
    values: Any = OmegaConf.to_container(config.sweep, resolve=True)
    node = check_node(values, "sweep", application.line.vouched)
    made: Sweep = build(node, Sweep, "sweep", application.line.vouched)
    return made


def _name(config: DictConfig, fixed: Sequence[str], axes: Space) -> str:
    """What holds for all runs, and which keys vary: a wider sweep of the same keys is the same sweep."""
    base = config.name or Invocation.of(list(fixed), config.hydra.runtime.choices).name
    return f"{base}-by-{'-'.join(key.lstrip('+').rpartition('.')[2] for key in axes.keys)}"
