"""The training loop: what happens to a step, in the order in which it happens."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import islice

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hone.core import seeds
from hone.core.scores import compute_scores
from hone.core.signals import Stop
from hone.data.module import DataModule, Step
from hone.training.evaluation import predict, show
from hone.training.fabric import sum_over_processes
from hone.training.meter import Meter
from hone.training.prefetch import prefetched
from hone.training.progress import RunProgress
from hone.training.state import TrainState
from hone.training.step import FiniteCheck, clip, make_finite_check


def fit(
    fabric: Fabric,
    state: TrainState,
    data: DataModule,
    progress: RunProgress,
    stop: Stop,
    clip_norm: float | None,
    seed: int,
) -> None:
    """Train from the run's present step to the end of its course."""
    course = progress.course
    meter, check = Meter(fabric, state.packing), make_finite_check(fabric, state)
    state.wrapped.train()
    to_come = islice(data.steps(progress.step + 1), course.steps - progress.step)
    with closing(prefetched(to_come, fabric.device)) as steps:
        for step in steps:
            targets, asked = _agree(fabric, step, stop)
            seeds.seed_everything(seed, "step", step.number, fabric.global_rank)
            loss, norm = train_step(fabric, state, check, step, targets, clip_norm)
            meter.count(step, loss, targets, norm)
            progress.advance(step.number)

            if asked or course.needs_health_check(step.number):
                check.require()
            if course.logs(step.number):
                progress.log(meter.read(state.scheduler))
            if course.evaluates(step.number):
                meter.exclude(_evaluate(fabric, state, data, progress))
            if course.saves(step.number) or asked:
                progress.save(fabric, state)
            progress.require_not_pruned()
            if asked:
                raise stop.error()
            if progress.out_of_patience():
                break


def _agree(fabric: Fabric, step: Step, stop: Stop) -> tuple[float, bool]:
    """Return the number of targets of all processes, and whether any of them was asked to stop."""
    ours = torch.tensor([sum(step.targets), float(stop.asked is not None)], dtype=torch.float64)
    targets, asked = sum_over_processes(fabric, ours)
    return max(targets, 1e-12), asked > 0


def train_step(
    fabric: Fabric, state: TrainState, check: FiniteCheck, step: Step, targets: float, clip_norm: float | None
) -> tuple[Tensor, Tensor]:
    """Take one optimiser step; return the summed loss and the norm of the gradient before clipping.

    The gradient is that of the mean over all targets of the step, however the step is cut into batches.
    """
    summed, last = torch.zeros((), device=fabric.device), len(step.batches) - 1
    with torch.autocast(
        fabric.device.type, enabled=False
    ):  # the passes inside have their own; each casts a weight once
        for place, (batch, weight) in enumerate(zip(step.batches, step.targets, strict=True)):
            with fabric.no_backward_sync(state.wrapped, enabled=place != last):
                loss = state.wrapped("training_step", fabric.to_device(batch), place)
                fabric.backward(loss * (weight * fabric.world_size / targets))  # DDP averages over the processes
            summed += loss.detach() * weight
    norm = clip(fabric, state, clip_norm)
    check.watch(step, summed, norm)
    state.optimizer.step()
    state.scheduler.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.average.update(step.number)
    return summed, norm


def _evaluate(fabric: Fabric, state: TrainState, data: DataModule, progress: RunProgress) -> float:
    """Score the validation split; return the seconds it took."""
    start = time.perf_counter()
    with state.average.applied():
        records = predict(fabric, state.wrapped, data, "validation", progress.course.evaluate_rows)
        progress.shown(show(fabric, state.wrapped, data))
        progress.examined("validation", records)
        progress.evaluated(records, compute_scores(data.task, records), state)
    return time.perf_counter() - start
