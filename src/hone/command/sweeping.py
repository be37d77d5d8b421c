"""`-m`: from a command line to the cells of a sweep, and to the processes that run them."""

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
from hone.job import Invocation, default_name
from hone.sweeps.cell import Cell
from hone.sweeps.ready import Ready
from hone.sweeps.space import Space
from hone.sweeps.sweep import Sweep
from hone.tracking.wandb.client import agent_run


def sweep(task_function: Callable[..., Any], context: HydraContext, config: DictConfig, words: Sequence[str]) -> None:
    """Run a whole sweep and set the application's exit code."""
    application = getattr(task_function, "__self__", None)
    if not isinstance(application, Application) or application.command not in ("train", "plan"):
        raise UserError(
            "hydra/sweeper=hone works only with `hone train` and `hone plan`; use hydra/sweeper=basic here."
        )
    setup_globals()
    settings = _sweep_of(config, application)
    fixed, axes = space.read(words, settings, context.config_loader)
    if several := [name for name in axes.keys if name.startswith("plan.")]:
        raise UserError(f"{several[0]}: this applies to the plan as a whole; give it one value.")
    fixed = [word for word in fixed if not word.startswith("plan.")]
    axes = replace(axes, fixed=tuple(fixed))
    folder = Path(str(config.output_root), settings.name or _name(config, fixed, axes)).absolute()
    with open_dict(config):
        config.hydra.sweep.dir = str(folder)
    place = f"hydra.sweep.dir='{folder}'"
    jobs = Jobs(application, context, config)

    def ready(cell: Cell) -> Ready:
        return jobs.ready([place, *fixed], cell)

    if application.command == "plan":
        _plan(settings, axes, ready, folder, config, application)
        return
    from hone.sweeps.conduct import conduct

    workers = engine(task_function, context, config, settings, folder)
    application.code = conduct(
        settings, axes, ready, folder, Invocation.of(["-m", *map(as_typed_in, words)], {}), workers
    )


def _plan(
    settings: Sweep,
    axes: Space,
    ready: Callable[[Cell], Ready],
    folder: Path,
    config: DictConfig,
    application: Application,
) -> None:
    from hone.planning.options import Options
    from hone.planning.sweeps.foresee import foresee
    from hone.planning.sweeps.queue import Where

    node = check_node(OmegaConf.to_container(config.plan, resolve=True), "plan", ())
    options: Options = build(node, Options, "plan", ())
    name = str(config.hydra.runtime.choices["hydra/launcher"])
    where = Where(None if name == "local" else name, elsewhere=launcher_of(config, application) is not None)
    foresee(settings, axes, ready, folder, options, where)


def _sweep_of(config: DictConfig, application: Application) -> Sweep:
    values: Any = OmegaConf.to_container(config.sweep, resolve=True)
    node = check_node(values, "sweep", application.line.vouched)
    made: Sweep = build(node, Sweep, "sweep", application.line.vouched)
    return made


def _name(config: DictConfig, fixed: Sequence[str], axes: Space) -> str:
    """The name of what all runs share and of the keys that vary: a wider sweep of the same keys is the same sweep."""
    base = config.name or default_name(config.hydra.runtime.choices, config)
    named = f"{base}-by-{'-'.join(key.lstrip('+').rpartition('.')[2] for key in axes.keys)}"
    point = agent_run().get("id")  # of a sweep of W&B's, which may have others done at the same time
    return f"{named}-{point}" if point else named
