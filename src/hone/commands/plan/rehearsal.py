"""The training step of a run that needs most memory, taken by a network without values through the run's own loop.

`paper.py` counts the bytes, this file decides which steps are taken, and `memory.py` turns the bytes into an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from hone.commands.plan.kernels import forward_passes
from hone.commands.plan.paper import Paper
from hone.core.columns import RowIndices
from hone.core.task import Batch
from hone.data.encoded_rows import EncodedRows
from hone.data.module import Step
from hone.data.plan import sorted_batches
from hone.training import sizes
from hone.training.assemble import make_train_state
from hone.training.fabric import precision_plugins
from hone.training.fast.packing import Packed, Packing
from hone.training.nonfinite import DeferredFiniteCheck
from hone.training.preflight import Feasible
from hone.training.state import TrainState
from hone.training.step import train_step


@final
@dataclass(frozen=True)
class StepBytes:
    """Bytes of tensors: the lasting ones by kind, and the peaks of temporary ones; and the products of matrices."""

    weights: int
    gradients: int
    optimizer: int
    average: int
    step_peak: int
    """The peak during a training step, gradients included."""
    evaluation_peak: int
    training_products: int
    """How many different products of 16-bit matrices a training pass has."""
    evaluation_products: int
    """The same number for a pass of an evaluation."""


@final
class FabricWithoutValues(Fabric):
    """Leaves modules where they are: torch cannot move weights that have no values."""

    def setup(self, module: nn.Module, *optimizers: Any, **options: Any) -> Any:
        return super().setup(module, *optimizers, **{**options, "move_to_device": False})


@final
class Rehearsal:
    """Takes the heaviest steps of one run without values."""

    def __init__(self, feasible: Feasible) -> None:
        self.feasible = feasible
        self.fabric = _make_fabric(feasible)
        self.paper = Paper(self.fabric.device)
        self.blank = self.paper.copy_network(feasible.prepared.blank, sizes.weight_dtype(feasible.precision))

    def run(self, packing: Packing) -> StepBytes:
        """Take a light step, which creates the optimiser's state, and the heaviest; then evaluate the longest rows."""
        with self.paper.without_values():
            train_state = self._make_train_state(packing)
        module, optimizer = train_state.wrapped, train_state.optimizer.optimizer  # type: ignore[attr-defined]  # Fabric's
        averaged = list(train_state.average.state().values())
        finite_check = DeferredFiniteCheck(self.fabric, train_state)
        with self.paper.count_bytes(module, optimizer, *averaged) as counter, train_state.fast_paths():
            for step in self._steps(packing):
                counter.products.clear()  # only those of the last step count
                train_step(self.fabric, train_state, finite_check, step, 1.0, self.feasible.job.settings.clip_norm)
            state = sizes.of_tensors(_state_tensors(optimizer))
            gradients = sizes.of_tensors(sizes.trainable_weights(train_state.module.network))
        weights = sizes.of_tensors([*module.parameters(), *module.buffers()])
        average = sizes.of_tensors(averaged)
        step_peak = counter.peak() - weights - state - average
        evaluation_peak, evaluation_products = self._evaluate(module)
        return StepBytes(
            weights, gradients, state, average, step_peak, evaluation_peak, len(counter.products), evaluation_products
        )

    def specimen(self) -> Batch:
        """Return a batch of the shortest row and the longest."""
        pool = self.feasible.outline.pools["train"]
        return self._batch(pool, np.argsort(pool.lengths)[[0, -1]])

    def _make_train_state(self, packing: Packing) -> TrainState:
        feasible, prepared = self.feasible, self.feasible.prepared
        return make_train_state(
            self.fabric, feasible.parts, self.blank, prepared.task, prepared.layer_map, packing,
            feasible.outline.course, compiled=False,
        )  # fmt: skip

    def _steps(self, packing: Packing) -> list[Step]:
        """Return a light step and the heaviest one.

        Where the run's steps have several passes, the heaviest has two: its last pass then finds gradients in memory.
        """
        pool = self.feasible.outline.pools["train"]
        rows, count = self._heaviest_pass(isinstance(packing, Packed))
        passes = 2 if count > 1 or self.feasible.job.settings.accumulate > 1 else 1
        light, heavy = self._batch(pool, rows[:1]), self._batch(pool, rows)
        return [_make_step([light], 1), _make_step([heavy] * passes, len(rows))]

    def _heaviest_pass(self, packed: bool) -> tuple[RowIndices, int]:
        """Return the rows of the largest forward pass, and the number of passes that its batch is split into."""
        lengths = self.feasible.outline.pools["train"].lengths
        candidates: list[tuple[RowIndices, int]] = []
        for _, micro in self.feasible.outline.heaviest():
            passes = forward_passes(self.feasible, micro.rows, packed)
            candidates += [(rows, len(passes)) for rows in passes]

        def tokens(candidate: tuple[RowIndices, int]) -> int:
            rows, _ = candidate
            return int(lengths[rows].sum()) if packed else len(rows) * int(lengths[rows].max())

        return max(candidates, key=tokens)

    def _evaluate(self, module: nn.Module) -> tuple[int, int]:
        """Return the peak of an evaluation of the longest rows, and the number of its products of matrices."""
        pool, batch_size = self.feasible.outline.pools["validation"], 2 * self.feasible.job.settings.batch_size
        longest = sorted_batches(pool.lengths, batch_size, self.feasible.parts.batch)[0]
        batch = self._batch(pool, longest)
        module.eval()
        with self.paper.count_bytes(module) as counter, torch.no_grad():
            before = counter.now()
            module("training_step", batch, 0)
        module.train()
        return counter.peak() - before, len(counter.products)

    def _batch(self, pool: EncodedRows, rows: RowIndices) -> Batch:
        batch = pool.collate(self.feasible.prepared.task, rows, training=True)
        if self.feasible.parts.head.precomputes:
            width = int(self.blank.backbone.config.hidden_size)
            batch["inputs"] = {"features": torch.zeros(len(rows), width)}
        moved: Batch = self.fabric.to_device(batch)
        return moved


def _make_fabric(feasible: Feasible) -> Fabric:
    """Make a Fabric of one process. fp16 is rehearsed as bf16, which takes as many bytes: the scale of an fp16 loss
    depends on values."""
    precision = "bf16-mixed" if feasible.precision == "16-mixed" else feasible.precision
    accelerator = feasible.job.settings.accelerator
    fabric = FabricWithoutValues(accelerator=accelerator, devices=1, **precision_plugins(precision, accelerator))
    fabric.launch()
    # Nor can torch convert such weights, which have the precision's type already. Fabric has no switch for that, so
    # this one object, which nothing else uses, gets a conversion that does nothing.
    fabric.strategy.precision.convert_module = lambda module: module  # type: ignore[method-assign]
    return fabric


def _make_step(batches: list[Batch], rows: int) -> Step:
    return Step(1, batches, [1.0] * len(batches), rows, rows, rows)


def _state_tensors(optimizer: Any) -> list[Tensor]:
    states = optimizer.state.values()
    return [value for state in states for value in state.values() if isinstance(value, Tensor)]
