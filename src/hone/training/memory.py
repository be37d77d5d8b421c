"""What happens when memory runs out: forward passes get half as many rows, and a step gets more of them.

The gradient of a step is a sum over its targets, so its parts add up to the same step. The weights have not changed
when a pass fails, so the step is simply taken again.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from lightning.fabric import Fabric
from torch import nn

from hone.core.errors import RunError
from hone.core.task import Task
from hone.data.module import Batches, DataModule, Step
from hone.models.row_dependence import depends_on_padding

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_REMEDY = "gradient_checkpointing=true, adapter=lora, or a device with more memory"
_SHORTER = {"tokens": "a shorter max_length", "patches": "smaller images", "frames": "shorter clips"}
"""What makes rows cheaper, by the task's unit."""


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that a device or the CPU has no memory left. On a CPU it has no class of its own."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def attempt(fabric: Fabric, work: Callable[[], Result]) -> Result | None:
    """Return the result of some work, or None if memory ran out."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
    # Only here, without the error, is what its frames hold free.
    gc.collect()
    if fabric.device.type == "cuda":
        torch.cuda.empty_cache()
    return None


@contextmanager
def required(purpose: str, task: Task) -> Iterator[None]:
    """Raise RunError if memory runs out inside, where smaller passes would not help."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        raise RunError(
            f"Out of memory in {purpose}, which smaller batches would not change; {_remedy(task)}."
        ) from error


def halve_training_passes(fabric: Fabric, data: DataModule, step: Step) -> None:
    """Make the passes of this step and all later ones smaller. Raise RunError if that is impossible."""
    before, rows = data.pass_size, max(len(batch["id"]) for batch in step.batches)
    place, unit = f"Out of memory in step {step.number}", _unit(data)
    if rows == 1:
        raise RunError(f"{place}, with a single row per forward pass; {_remedy(data.task)}.")
    if data.never_divided:
        raise RunError(
            f"{place}, with {before} {unit} per forward pass. Smaller passes would change the result, as "
            f"{data.never_divided}: set a smaller batch_size, or {_remedy(data.task)}."
        )
    if fabric.world_size > 1:
        raise RunError(
            f"{place}, with {before} {unit} per forward pass on each device. Several processes cannot "
            f"change that during a run: start it with batch_size={before // 2} and twice as many accumulate."
        )
    data.halvings.training += 1
    while data.batching.by == "examples" and data.pass_size >= rows:
        data.halvings.training += 1  # the passes of this step were smaller already
    log.warning(
        "Step %d ran out of memory with %d %s per forward pass. From now on a pass has at most %d, and a step has more "
        "passes: its gradient is the same.", step.number, before, unit, data.pass_size,
    )  # fmt: skip


def halve_prediction_passes(size: int, batches: Batches) -> int:
    """Return the next smaller size of the passes of `hone predict`. Raise RunError if they have one row."""
    rows = max(map(len, batches.plan))
    if rows == 1:
        raise RunError("Out of memory with a single row per forward pass: use a device with more memory.")
    smaller = min(size, rows) // 2
    log.warning("Memory ran out with %d rows per forward pass. From now on a pass has at most %d.", rows, smaller)
    return smaller


def halve_evaluation_passes(data: DataModule, network: nn.Module, split: str, batches: Batches) -> None:
    """Make the passes of evaluations smaller, but not those of training. Raise RunError if they have one row."""
    before, rows = data.evaluation_size, max(map(len, batches.plan))
    if rows == 1:
        raise RunError(
            f"Out of memory in the evaluation of {split}, with a single row per forward pass; {_remedy(data.task)}."
        )
    data.halvings.evaluation += 1
    while data.batching.by == "examples" and data.evaluation_size >= rows:
        data.halvings.evaluation += 1
    change = " Scores change a little: group norm averages over padding." if depends_on_padding(network) else ""
    log.warning(
        "The evaluation of %s ran out of memory with %d %s per forward pass. From now on it has at most %d.%s",
        split, before, _unit(data), data.evaluation_size, change,
    )  # fmt: skip


def _unit(data: DataModule) -> str:
    """Return what `batch_size` counts."""
    return data.task.unit if data.batching.by == "tokens" else data.batching.by


def _remedy(task: Task) -> str:
    return f"use {_SHORTER.get(task.unit, 'smaller rows')}, {_REMEDY}"
