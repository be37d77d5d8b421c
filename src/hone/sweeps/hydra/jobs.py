"""The runs of a sweep: composed by Hydra, checked, and ready to start in processes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, final

from hydra import version
from hydra.core.utils import JobStatus, run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from hone.config.application import Application
from hone.config.hydra_private import HYDRA, error_of
from hone.config.job import Job
from hone.config.mistakes import explain, with_fitting_tasks
from hone.core.errors import HoneError, StopRequest, UserError, one_line
from hone.core.process import loaded_modules
from hone.core.redact import redact_text
from hone.runs.identity import with_absolute_paths
from hone.runs.sweep_file import Cell
from hone.sweeps.hydra.compose import Composer
from hone.sweeps.jobs import Ready
from hone.training.stage_cache import StageCache


@final
class Jobs:
    """Composes and checks the config of each cell. Cells may share what one of them has loaded (`store`)."""

    def __init__(self, application: Application, context: HydraContext, config: DictConfig) -> None:
        self.application, self.context = application, context
        self.composer = Composer(context.config_loader, config)
        self.store: dict[str, Any] = {}

    def ready(self, fixed: Sequence[str], cell: Cell) -> Ready:
        """Return a run that can start; raise UserError if the words cannot make a valid run."""
        words = [*fixed, *cell.words]
        try:
            config = self.composer.compose(words)
        except HoneError:
            raise
        except Exception as error:
            line = replace(self.application.line, flags=(), overrides=tuple(words))
            raise explain(error, self.application.command, line) from error
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = cell.number
        settings, parts, invocation = self.application.prepare(config)
        invocation = replace(invocation, cell=cell.words)
        if invocation.sweep is not None and settings.resume not in (None, "auto"):
            raise UserError(
                f"resume={settings.resume}: a sweep continues all of its runs; to resume a single run, leave out -m."
            )
        # The options of hone plan are not part of a run.
        parts = {name: node for name, node in parts.items() if name != "plan"}
        job = Job(settings, with_absolute_paths({**asdict(settings), **parts}), invocation)
        memory = StageCache(job, self.store)
        return Ready(tuple(words), job, memory, partial(_run, self.context, config, job, memory))


def _run(context: HydraContext, config: DictConfig, job: Job, memory: StageCache) -> dict[str, Any]:
    """Do what the process of a run does, and return how it ended."""
    from hone.training import run as train

    modules_before = loaded_modules()
    setup_globals()  # on another machine Hydra is not set up yet
    version.setbase(HYDRA)
    try:
        job_return = run_job(
            hydra_context=context, task_function=lambda _: train.run(job, memory), config=config,
            job_dir_key="hydra.sweep.dir", job_subdir_key="hydra.sweep.subdir",
        )  # fmt: skip
    except StopRequest as error:
        return _failure(error)
    except (SystemExit, KeyboardInterrupt) as end:
        code = getattr(end, "code", None)
        reason = type(end).__name__ if code in (None, "") else f"{type(end).__name__}: {code}"
        return {"state": "failed", "reason": reason}
    modules = sorted(loaded_modules() - modules_before)
    if job_return.status is JobStatus.COMPLETED:
        return {"state": "finished", "value": job_return.return_value, "modules": modules}
    return _failure(with_fitting_tasks(error_of(job_return))) | {"modules": modules}


def _failure(error: BaseException) -> dict[str, Any]:
    state = error.state if isinstance(error, HoneError | StopRequest) else "failed"
    text = str(error) if isinstance(error, HoneError | StopRequest) else one_line(error)
    return {"state": state, "reason": redact_text(text), "mistake": isinstance(error, UserError)}
