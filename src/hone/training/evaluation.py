"""Predictions for a split: each process predicts its share, and all get the records in the order of the rows."""

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

from hone.core.errors import RunError
from hone.core.scores import join_records, restore_order
from hone.core.task import Batch, Columns, Predictive
from hone.data.module import Batches, DataModule
from hone.training import memory
from hone.training.fabric import sum_over_processes


@final
class Predictor(nn.Module):
    """A network and its task, for prediction only."""

    def __init__(self, network: nn.Module, task: Predictive) -> None:
        super().__init__()
        self.network, self.task = network, task

    def forward(self, step: str, batch: Batch, index: int = 0) -> Any:
        """Dispatch to a step, as `Module` does: Fabric applies precision to `forward` only."""
        return getattr(self, step)(batch, index)

    def predict_step(self, batch: Batch, index: int = 0) -> Columns:
        return self.task.predict(self.network, batch)

    def answer_step(self, batch: Batch, index: int = 0) -> Columns:
        return self.task.answer(self.network, batch)


def predictor(fabric: Fabric, network: nn.Module, task: Predictive) -> Any:
    """Put a predictor on the device, under its precision."""
    return fabric.setup_module(Predictor(network, task))


def predict(fabric: Fabric, module: Any, data: DataModule, split: str, examples: int | None = None) -> Columns:
    """Return the merged predictions of a split, or of some of its examples, on every process.

    If memory runs out, this process begins again with smaller batches, which later evaluations have too."""
    with _evaluating(fabric, module):
        while True:
            batches = data.batches(split, fabric.global_rank, fabric.world_size, examples)
            parts = memory.attempt(fabric, lambda: _predict_all(fabric, module, batches))  # noqa: B023 (called at once)
            if parts is not None:
                break
            memory.halve_evaluation_passes(data, module, split, batches)
    data.left_out.report(batches.left_out)
    rows, left_out = sum_over_processes(fabric, torch.tensor([len(parts), len(batches.left_out)], dtype=torch.float64))
    if left_out and not rows:
        raise batches.left_out[0] if batches.left_out else RunError(f"{split}: no row can be decoded.")
    data.left_out.count_evaluation(split, round(left_out))
    return data.task.merge(_in_order(fabric, batches, parts))


def run_through(fabric: Fabric, module: Any, batches: Batches, step: str = "predict_step") -> Columns:
    """Return the predictions of encoded rows in the order of the rows, on every process."""
    with _evaluating(fabric, module):
        parts = _predict_all(fabric, module, batches, step)
    return _in_order(fabric, batches, parts)


def _predict_all(fabric: Fabric, module: Any, batches: Batches, step: str = "predict_step") -> list[Columns]:
    return [module(step, fabric.to_device(batch), place) for place, batch in enumerate(batches)]


def _in_order(fabric: Fabric, batches: Batches, parts: list[Columns]) -> Columns:
    order, predictions = _gather(batches.rows, parts, fabric.world_size)
    return restore_order(predictions, order)


def show(fabric: Fabric, module: Any, data: DataModule) -> list[str]:
    """Return what the task shows for a few validation rows."""
    batch = data.example_batch()
    if batch is None:
        return []
    with _evaluating(fabric, module):
        lines: list[str] = module("show_step", fabric.to_device(batch))
    return lines


@contextmanager
def _evaluating(fabric: Fabric, module: Any) -> Iterator[None]:
    """Evaluate without gradients. Autocast casts each weight once for all batches, which inference mode prevents."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad(), fabric.autocast(), _buffers_shared(module):
            yield
    finally:
        module.train(was_training)


@contextmanager
def _buffers_shared(module: Any) -> Iterator[None]:
    """Give every process the first one's buffers once. DDP would do so at each pass, but processes may have different
    numbers of passes."""
    wrapped = getattr(module, "_forward_module", None)
    if not isinstance(wrapped, DistributedDataParallel):
        yield
        return
    for buffer in module.buffers():
        torch.distributed.broadcast(buffer, src=0)
    syncs, wrapped.require_forward_param_sync = wrapped.require_forward_param_sync, False
    try:
        yield
    finally:
        wrapped.require_forward_param_sync = syncs


def _gather(rows: list[Any], parts: list[Columns], world: int) -> tuple[np.ndarray[Any, Any], Columns]:
    """Return the row numbers and the predictions of all processes."""
    order = np.concatenate(rows) if rows else np.array([], dtype=np.int64)
    if world == 1:
        return order, join_records(parts)
    shares: list[Any] = [None] * world
    torch.distributed.all_gather_object(shares, (order, parts))
    orders = [rows for rows, _ in shares]
    predictions = [part for _, share in shares for part in share]
    return np.concatenate(orders), join_records(predictions)
