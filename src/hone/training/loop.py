"""The training loop: what happens to a step, in the order in which it happens."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hone.config.settings import TrainSettings
from hone.core import seeds
from hone.core.scores import compute_scores
from hone.core.signals import Stop
from hone.data.module import DataModule, Step
from hone.training import memory
from hone.training.evaluation import predict, show
from hone.training.fabric import sum_over_processes
from hone.training.meter import Meter
from hone.training.nonfinite import FiniteCheck, NotFinite, make_finite_check
from hone.training.prefetch import prefetched
from hone.training.progress import RunProgress
from hone.training.retrying import go_back
from hone.training.state import TrainState
from hone.training.step import run_passes, update
from hone.training.workers import count_workers, steps_made


def fit(
    fabric: Fabric,
    state: TrainState,
    data: DataModule,
    progress: RunProgress,
    stop: Stop,
    settings: TrainSettings,
) -> None:
    """Train from the run's present step to the end of its course, or of its patience."""
    if progress.course.saves_start and not progress.step:
        progress.save(fabric, state)
    while True:
        try:
            return _go_on(fabric, state, data, progress, stop, settings)
        except NotFinite as reason:
            go_back(fabric, state, progress, reason)


def _go_on(
    fabric: Fabric,
    state: TrainState,
    data: DataModule,
    progress: RunProgress,
    stop: Stop,
    settings: TrainSettings,
) -> None:
    """Take all steps that are left. Raise NotFinite if the run has to go back."""
    meter, check = Meter(fabric, state.packing, data.task.unit), make_finite_check(fabric, state, settings.on_nonfinite)
    state.wrapped.train()
    with closing(_steps(fabric, data, progress)) as steps:
        for step in steps:
            targets, asked, left_out = _agree(fabric, step, stop)
            seeds.seed_everything(settings.seed, "step", step.number, fabric.global_rank)
            taken = _take(fabric, state, data, check, step, targets, settings.clip_norm)
            if taken is None:
                continue
            meter.count(step, *taken, targets)
            state.left_out.count_training(step.left_out, left_out)
            progress.advance(step.number)

            if asked or progress.course.needs_health_check(step.number):
                check.require()
                progress.count_skipped(state)
            if progress.course.logs(step.number):
                progress.log(meter.read(state))
            if progress.course.evaluates(step.number):
                meter.exclude(_evaluate(fabric, state, data, progress, check))
            if progress.course.saves(step.number) or asked:
                progress.save(fabric, state)
            progress.require_not_pruned()
            if asked:
                raise stop.error()


def _take(
    fabric: Fabric,
    state: TrainState,
    data: DataModule,
    check: FiniteCheck,
    step: Step,
    targets: float,
    clip_norm: float | None,
) -> tuple[Tensor, Tensor] | None:
    """Take a step; return its loss and its gradient's norm, or None if it must be taken again with smaller passes."""
    summed = memory.attempt(fabric, lambda: run_passes(fabric, state, step, targets))
    if summed is None:
        state.optimizer.zero_grad(set_to_none=True)
        memory.halve_training_passes(fabric, data, step)
        return None
    with memory.required(f"the update of step {step.number}", data.task):
        return update(fabric, state, check, step, summed, clip_norm)


def _steps(fabric: Fabric, data: DataModule, progress: RunProgress) -> Generator[Step]:
    """Yield the step after the run's present one until the run is over. A step that was not taken comes again, in
    batches of the present size."""
    progress.require_not_pruned()
    processes = count_workers(fabric.device, data)
    while not progress.is_over:
        left = progress.course.steps - progress.step
        with (
            steps_made(data, progress.step + 1, left, processes) as to_come,
            closing(prefetched(to_come, fabric.device)) as steps,
        ):
            for step in steps:
                yield step
                if progress.is_over or progress.step != step.number:
                    break


def _agree(fabric: Fabric, step: Step, stop: Stop) -> tuple[float, bool, int]:
    """Return the number of targets of all processes, whether any of them was asked to stop, and how many rows they
    left out of the step."""
    ours = torch.tensor([sum(step.targets), stop.asked is not None, len(step.left_out)], dtype=torch.float64)
    targets, asked, left_out = sum_over_processes(fabric, ours)
    return max(targets, 1e-12), asked > 0, round(left_out)


def _evaluate(fabric: Fabric, state: TrainState, data: DataModule, progress: RunProgress, check: FiniteCheck) -> float:
    """Score the validation split; return the seconds it took."""
    start = time.perf_counter()
    with state.average.applied():
        records = predict(fabric, state.wrapped, data, "validation", progress.course.evaluate_rows)
        scores = compute_scores(data.task, records)
        check.judge_score(scores, progress.monitor.name, progress.step)
        progress.shown(show(fabric, state.wrapped, data))
        progress.count_left_out(state.left_out)
        progress.examined("validation", records)
        progress.evaluated(records, scores, state)
    return time.perf_counter() - start
