"""The training step of a run that needs most memory, taken by a network without values through the run's own loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from hone.commands.plan.kernels import pieces
from hone.commands.plan.paper import Paper
from hone.core import seeds
from hone.core.columns import RowIndices, read_columns
from hone.core.task import Batch
from hone.data.module import Step
from hone.data.plan import EncodedRows, sorted_batches
from hone.training import preflight as sizes
from hone.training.assemble import make_train_state
from hone.training.fabric import make_fabric
from hone.training.fast.packing import Packed, Packing
from hone.training.loop import train_step
from hone.training.preflight import Feasible
from hone.training.state import TrainState
from hone.training.step import DeferredFiniteCheck


@final
@dataclass(frozen=True)
class Taken:
    """Bytes of tensors: what lasts, by kind, and the most of what comes and goes."""

    weights: int
    gradients: int
    optimizer: int
    average: int
    moving: int
    """At most during a step, gradients included."""
    reading: int
    """At most during an evaluation."""
    products: tuple[int, int]
    """How many different products of 16-bit matrices a training pass has, and one of an evaluation."""


@final
class Rehearsal:
    """Of one job."""

    def __init__(self, job: Feasible) -> None:
        self.job = job
        self.fabric = _still(job)
        self.paper = Paper(self.fabric.device)
        self.blank = self.paper.network(job.prepared.blank, sizes.weight_dtype(job.precision))

    def taken(self, packing: Packing) -> Taken:
        """Takes a light step, which makes the optimiser's memory, and the heaviest; then reads the longest rows."""
        with self.paper.open():
            train_state = self._train_state(packing)
        module, optimizer = train_state.wrapped, train_state.optimizer.optimizer  # type: ignore[attr-defined]  # Fabric's
        average = sizes.of_tensors(train_state.average.state().values())
        lasting, health = (
            (optimizer, *train_state.average.state().values()),
            DeferredFiniteCheck(self.fabric, train_state),
        )
        with self.paper.counted(module, *lasting) as counter, train_state.fast_paths():
            for step in self._steps(packing):
                counter.products.clear()
                train_step(self.fabric, train_state, health, step, 1.0, self.job.job.settings.clip_norm)
            state = sizes.of_tensors(_tensors(optimizer))
            gradients = sizes.of_tensors(sizes.trainable_weights(train_state.module.network))
        weights = sizes.of_tensors([*module.parameters(), *module.buffers()])
        moving = counter.peak() - weights - state - average
        reading, read = self._reads(module)
        return Taken(weights, gradients, state, average, moving, reading, (len(counter.products), read))

    def _train_state(self, packing: Packing) -> TrainState:
        job, prepared = self.job, self.job.prepared
        return make_train_state(
            self.fabric, job.parts, self.blank, prepared.task, prepared.layer_map, packing, job.outline.course,
            compiled=False,
        )  # fmt: skip

    def _steps(self, packing: Packing) -> list[Step]:
        """A light step and the heaviest, which has gradients before its last pass where the run's steps do."""
        pool = self.job.outline.pools["train"]
        rows, count = self._heaviest(isinstance(packing, Packed))
        passes = 2 if count > 1 or self.job.job.settings.accumulate > 1 else 1
        light, heavy = self.batch(pool, rows[:1]), self.batch(pool, rows)
        return [_step([light], 1), _step([heavy] * passes, len(rows))]

    def _heaviest(self, packed: bool) -> tuple[RowIndices, int]:
        """The rows of a pass, and how many passes the batch is cut into."""
        lengths, job = self.job.outline.pools["train"].lengths, self.job

        def area(rows: RowIndices) -> int:
            return int(lengths[rows].sum()) if packed else len(rows) * int(lengths[rows].max())

        batches = [micro.rows for _, micro in job.outline.heaviest()]
        cut = [pieces(job, rows, packed) for rows in batches]
        return max(((rows, len(of_batch)) for of_batch in cut for rows in of_batch), key=lambda pair: area(pair[0]))

    def _reads(self, module: nn.Module) -> tuple[int, int]:
        """The bytes and the products of an evaluation of the longest rows."""
        pool, settings = self.job.outline.pools["validation"], self.job.job.settings
        longest = sorted_batches(pool.lengths, 2 * settings.batch_size, self.job.parts.batch)[0]
        batch = self.batch(pool, longest)
        module.eval()
        with self.paper.counted(module) as counter, torch.no_grad():
            before = counter.now()
            module("training_step", batch, 0)
        module.train()
        return counter.peak() - before, len(counter.products)

    def batch(self, pool: EncodedRows, rows: RowIndices) -> Batch:
        batch = self.job.prepared.task.collate(read_columns(pool.rows, rows), seeds.stream(0, "collate"))
        if self.job.parts.head.precomputes:
            width = int(self.blank.backbone.config.hidden_size)
            batch["inputs"] = {"features": torch.zeros(len(rows), width)}
        moved: Batch = self.fabric.to_device(batch)
        return moved

    def specimen(self) -> Batch:
        """The shortest row and the longest."""
        pool = self.job.outline.pools["train"]
        return self.batch(pool, np.argsort(pool.lengths)[[0, -1]])


def _still(job: Feasible) -> Fabric:
    """A Fabric that leaves modules where they are: torch cannot move weights without values.

    The bytes of fp16 are those of bf16, whose loss needs no scale that depends on values.
    """
    precision = "bf16-mixed" if job.precision == "16-mixed" else job.precision
    fabric = make_fabric(job.job.settings.accelerator, precision)
    move = fabric.to_device
    vars(fabric)["to_device"] = lambda value: value if isinstance(value, nn.Module) else move(value)
    vars(fabric.strategy.precision)["convert_module"] = lambda module: module
    return fabric


def _step(batches: list[Batch], rows: int) -> Step:
    return Step(1, batches, [1.0] * len(batches), rows, rows, rows)


def _tensors(optimizer: Any) -> list[Tensor]:
    states = optimizer.state.values()
    return [value for state in states for value in state.values() if isinstance(value, Tensor)]
