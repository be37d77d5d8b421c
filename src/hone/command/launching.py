"""Our launchers under a sweeper that is not ours: each job a process, all of a batch at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig

from hone.command.application import Application
from hone.command.engines import launcher_of
from hone.command.jobs import Jobs
from hone.errors import RunError, UserError
from hone.sweeps.cell import Cell
from hone.sweeps.pool import Pool
from hone.sweeps.workers import Workers


def launch(
    task_function: Callable[..., Any],
    context: HydraContext,
    config: DictConfig,
    batch: Sequence[Sequence[str]],
    first: int,
) -> list[JobReturn]:
    """What Hydra's own launchers give back, whatever the jobs' processes did."""
    application = getattr(task_function, "__self__", None)
    if not isinstance(application, Application) or application.command != "train":
        name = config.hydra.runtime.choices["hydra/launcher"]
        raise UserError(f"hydra/launcher={name} runs `hone train` alone; here say hydra/launcher=basic.")
    setup_globals()
    jobs = Jobs(application, context, config)
    ready = [jobs.ready([], Cell(first + place, tuple(words))) for place, words in enumerate(batch)]

    root = Path(ready[0].job.settings.output_root).absolute()
    pool = _workers(config, application, root, ready[0].job.settings.devices)
    output = root / "logs"
    output.mkdir(parents=True, exist_ok=True)
    said: dict[str, dict[str, Any]] = {}
    waiting = list(enumerate(ready))
    while waiting or pool.working:
        while waiting and pool.free:
            place, one = waiting.pop(0)
            pool.start(str(place), one, output / f"{one.identity}.txt")
        said |= {place: dict(words) for place, words, _ in pool.wait(1.0)}
    application.code = max([application.code, *(int(words["state"] != "finished") for words in said.values())])
    return [_returned(words, said[str(place)]) for place, words in enumerate(batch)]


def _workers(config: DictConfig, application: Application, root: Path, devices: int) -> Workers:
    launcher = launcher_of(config, application)
    if launcher is not None:
        return launcher.workers(sys.maxsize, None, root)
    from hone.sweeps.places import places

    return Pool(places("auto", 1, devices), timeout=None)


def _returned(words: Sequence[str], said: dict[str, Any]) -> JobReturn:
    done = JobReturn(overrides=list(words))
    if said["state"] == "finished":
        done.status, done.return_value = JobStatus.COMPLETED, said["value"]
    else:
        done.status, done.return_value = JobStatus.FAILED, RunError(said["reason"])
    return done
