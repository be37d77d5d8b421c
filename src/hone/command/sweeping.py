"""`-m`: from a command to the cells of its sweep, and to the process that runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from hone.build import build
from hone.check import check_node
from hone.command import space
from hone.command.application import Application
from hone.command.engines import engine, launcher_of
from hone.command.jobs import Jobs
from hone.command.line import as_typed_in
from hone.errors import UserError
from hone.invocation import Invocation
from hone.sweeps.cell import Cell
from hone.sweeps.ready import Ready
from hone.sweeps.space import Space
from hone.sweeps.sweep import Sweep
from hone.tracking.agent import handed_out


def sweep(task_function: Callable[..., Any], context: HydraContext, config: DictConfig, words: Sequence[str]) -> None:
    """All of a sweep; its end is the application's exit code."""
    application = getattr(task_function, "__self__", None)
    if not isinstance(application, Application) or application.command not in ("train", "plan"):
        raise UserError(
            "hydra/sweeper=hone sweeps `hone train`, and `hone plan` tells of it; here say hydra/sweeper=basic."
        )
    setup_globals()
    told = _told(config, application)
    fixed, axes = space.read(words, told, context.config_loader)
    if several := [name for name in axes.keys if name.startswith("plan.")]:
        raise UserError(f"{several[0]}: it is asked of the plan as a whole; give it one value.")
    fixed = [word for word in fixed if not word.startswith("plan.")]
    axes = replace(axes, fixed=tuple(fixed))
    folder = Path(str(config.output_root), told.name or _name(config, fixed, axes)).absolute()
    with open_dict(config):
        config.hydra.sweep.dir = str(folder)
    place = f"hydra.sweep.dir='{folder}'"
    jobs = Jobs(application, context, config)

    def ready(cell: Cell) -> Ready:
        return jobs.ready([place, *fixed], cell)

    if application.command == "plan":
        _plan(told, axes, ready, folder, config, application)
        return
    from hone.sweeps.conduct import conduct

    workers = engine(task_function, context, config, told, folder)
    application.code = conduct(told, axes, ready, folder, Invocation.of(["-m", *map(as_typed_in, words)], {}), workers)


def _plan(
    told: Sweep, axes: Space, ready: Callable[[Cell], Ready], folder: Path, config: DictConfig, application: Application
) -> None:
    from hone.planning.options import Options
    from hone.planning.sweeps.foresee import foresee
    from hone.planning.sweeps.queue import Where

    node = check_node(OmegaConf.to_container(config.plan, resolve=True), "plan", ())
    options: Options = build(node, Options, "plan", ())
    name = str(config.hydra.runtime.choices["hydra/launcher"])
    where = Where(None if name == "local" else name, elsewhere=launcher_of(config, application) is not None)
    foresee(told, axes, ready, folder, options, where)


def _told(config: DictConfig, application: Application) -> Sweep:
    values: Any = OmegaConf.to_container(config.sweep, resolve=True)
    node = check_node(values, "sweep", application.line.vouched)
    made: Sweep = build(node, Sweep, "sweep", application.line.vouched)
    return made


def _name(config: DictConfig, fixed: Sequence[str], axes: Space) -> str:
    """What holds for all runs, and which keys vary: a wider sweep of the same keys is the same sweep."""
    base = config.name or Invocation.of(list(fixed), config.hydra.runtime.choices).name
    named = f"{base}-by-{'-'.join(key.lstrip('+').rpartition('.')[2] for key in axes.keys)}"
    point = handed_out().get("id")  # of a sweep of W&B's, which may have others done at the same time
    return f"{named}-{point}" if point else named
