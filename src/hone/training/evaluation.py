"""A split through the network: every process its share, the records of all of them in the order of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
import torch.distributed
from lightning.fabric import Fabric
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from hone.core.scores import join_records, restore_order
from hone.core.task import Batch, Columns, Predictive
from hone.data.module import Batches, DataModule


@final
class Predictor(nn.Module):
    """A network and its task, for prediction alone."""

    def __init__(self, network: nn.Module, task: Predictive) -> None:
        super().__init__()
        self.network, self.task = network, task

    def forward(self, step: str, batch: Batch, index: int = 0) -> Any:
        """As `Module` does it."""
        return getattr(self, step)(batch, index)

    def predict_step(self, batch: Batch, index: int = 0) -> Columns:
        return self.task.predict(self.network, batch)


def predictor(fabric: Fabric, network: nn.Module, task: Predictive) -> Any:
    """A predictor on the device, under its precision."""
    return fabric.setup_module(Predictor(network, task))


def predict(fabric: Fabric, module: Any, data: DataModule, split: str, examples: int | None = None) -> Columns:
    """The merged predictions of a split, or of some of its examples, the same on every process."""
    batches = data.batches(split, fabric.global_rank, fabric.world_size, examples)
    return data.task.merge(run_through(fabric, module, batches))


def run_through(fabric: Fabric, module: Any, batches: Batches) -> Columns:
    """The predictions of encoded rows in their own order, whatever that of the batches; the same on every process."""
    with _evaluating(fabric, module):
        parts = [module("predict_step", fabric.to_device(batch), place) for place, batch in enumerate(batches)]
    order, predictions = _gather(batches.plan, parts, fabric.world_size)
    return restore_order(predictions, order)


def show(fabric: Fabric, module: Any, data: DataModule) -> list[str]:
    """What the task shows of a few validation rows."""
    batch = data.example_batch()
    if batch is None:
        return []
    with _evaluating(fabric, module):
        lines: list[str] = module("show_step", fabric.to_device(batch))
    return lines


@contextmanager
def _evaluating(fabric: Fabric, module: Any) -> Iterator[None]:
    """Without gradients; autocast casts weights once for all batches, which inference mode would deny it."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad(), fabric.autocast(), _in_step(module):
            yield
    finally:
        module.train(was_training)


@contextmanager
def _in_step(module: Any) -> Iterator[None]:
    """Every process with the first one's buffers, exchanged here: DDP would do it at each pass, and a process may have
    fewer passes than another, or none."""
    spread = getattr(module, "_forward_module", None)
    if not isinstance(spread, DistributedDataParallel):
        yield
        return
    for buffer in module.buffers():
        torch.distributed.broadcast(buffer, src=0)
    syncs, spread.require_forward_param_sync = spread.require_forward_param_sync, False
    try:
        yield
    finally:
        spread.require_forward_param_sync = syncs


def _gather(plan: list[Any], parts: list[Columns], world: int) -> tuple[np.ndarray[Any, Any], Columns]:
    order = np.concatenate(plan) if plan else np.array([], dtype=np.int64)
    if world == 1:
        return order, join_records(parts)
    everyone: list[Any] = [None] * world
    torch.distributed.all_gather_object(everyone, (order, parts))
    return np.concatenate([each for each, _ in everyone]), join_records(
        [part for _, theirs in everyone for part in theirs]
    )
