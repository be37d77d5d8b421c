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
    train_state: TrainState,
    data: DataModule,
    run: RunProgress,
    stop: Stop,
    *,
    clip_norm: float | None,
    seed: int,
) -> None:
    """Trains from the run's present step to the end of its course."""
    course = run.course
    meter, health = Meter(fabric, train_state.packing), make_finite_check(fabric, train_state)
    train_state.wrapped.train()
    to_come = islice(data.steps(run.step + 1), course.steps - run.step)
    with closing(prefetched(to_come, fabric.device)) as steps:
        for step in steps:
            targets, asked = _agree(fabric, step, stop)
            seeds.seed_everything(seed, "step", step.number, fabric.global_rank)
            loss, norm = learn(fabric, train_state, health, step, targets, clip_norm)
            meter.count(step, loss, targets, norm)
            run.advance(step.number)

            if asked or course.needs_health_check(step.number):
                health.require()
            if course.logs(step.number):
                run.log(meter.read(train_state.scheduler))
            if course.evaluates(step.number):
                meter.exclude(_evaluate(fabric, train_state, data, run))
            if course.saves(step.number) or asked:
                run.save(fabric, train_state)
            run.require_worth()
            if asked:
                raise stop.error()
            if run.out_of_patience():
                break


def _agree(fabric: Fabric, step: Step, stop: Stop) -> tuple[float, bool]:
    """The targets of all processes, and whether any of them was asked to stop."""
    ours = torch.tensor([sum(step.targets), float(stop.asked is not None)], dtype=torch.float64)
    targets, asked = sum_over_processes(fabric, ours)
    return max(targets, 1e-12), asked > 0


def learn(
    fabric: Fabric, train_state: TrainState, health: FiniteCheck, step: Step, targets: float, clip_norm: float | None
) -> tuple[Tensor, Tensor]:
    """One optimiser step; returns the summed loss and the gradient's norm."""
    loss = _backward(fabric, train_state, step, targets)
    norm = clip(fabric, train_state, clip_norm)
    health.watch(step, loss, norm)
    train_state.optimizer.step()
    train_state.scheduler.step()
    train_state.optimizer.zero_grad(set_to_none=True)
    train_state.average.update(step.number)
    return loss, norm


def _backward(fabric: Fabric, train_state: TrainState, step: Step, targets: float) -> Tensor:
    """Gradients of the mean over all targets of the step, however they are cut up; returns the summed loss."""
    summed = torch.zeros((), device=fabric.device)
    with torch.autocast(fabric.device.type, enabled=False):  # the passes' own, within it, cast each weight once
        for place, (batch, weight) in enumerate(zip(step.batches, step.targets, strict=True)):
            last = place == len(step.batches) - 1
            with fabric.no_backward_sync(train_state.wrapped, enabled=not last):
                loss = train_state.wrapped("training_step", fabric.to_device(batch), place)
                fabric.backward(loss * (weight * fabric.world_size / targets))  # processes are averaged afterwards
            summed += loss.detach() * weight
    return summed


def _evaluate(fabric: Fabric, train_state: TrainState, data: DataModule, run: RunProgress) -> float:
    """Scores the validation split; returns the seconds it took."""
    start = time.perf_counter()
    with train_state.average.applied():
        records = predict(fabric, train_state.wrapped, data, "validation", run.course.evaluate_rows)
        lines = show(fabric, train_state.wrapped, data)
        run.shown(lines)
        run.examined("validation", records)
        run.evaluated(records, compute_scores(data.task, records), train_state)
    return time.perf_counter() - start
