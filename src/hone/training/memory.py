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

from hone.core.errors import RunError
from hone.data.module import Batches, DataModule, Step

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_REMEDY = "use a shorter max_length, gradient_checkpointing=true, adapter=lora, or a device with more memory"


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
def required(purpose: str) -> Iterator[None]:
    """Raise RunError if memory runs out inside, where smaller passes would not help."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        raise RunError(f"Out of memory in {purpose}, which smaller batches would not change; {_REMEDY}.") from error


def halve_training_passes(fabric: Fabric, data: DataModule, step: Step) -> None:
    """Make the passes of this step and all later ones smaller. Raise RunError if that is impossible."""
    before, rows = data.pass_size, max(len(batch["id"]) for batch in step.batches)
    place = f"Out of memory in step {step.number}"
    if rows == 1:
        raise RunError(f"{place}, with a single row per forward pass; {_REMEDY}.")
    if not data.task.independent_rows:
        raise RunError(
            f"{place}, with {before} {data.batching.by} per forward pass. The loss of this task compares the rows of a "
            f"batch with each other, so smaller passes would change the result: set a smaller batch_size, or {_REMEDY}."
        )
    if fabric.world_size > 1:
        raise RunError(
            f"{place}, with {before} {data.batching.by} per forward pass on each device. Several processes cannot "
            f"change that during a run: start it with batch_size={before // 2} and twice as many accumulate."
        )
    data.halvings.training += 1
    while data.batching.by == "examples" and data.pass_size >= rows:
        data.halvings.training += 1  # the passes of this step were smaller already
    log.warning(
        "Step %d ran out of memory with %d %s per forward pass. From now on a pass has at most %d, and a step has more "
        "passes: its gradient is the same.", step.number, before, data.batching.by, data.pass_size,
    )  # fmt: skip


def halve_prediction_passes(size: int, batches: Batches) -> int:
    """Return the next smaller size of the passes of `hone predict`. Raise RunError if they have one row."""
    rows = max(map(len, batches.plan))
    if rows == 1:
        raise RunError("Out of memory with a single row per forward pass: use a device with more memory.")
    smaller = min(size, rows) // 2
    log.warning("Memory ran out with %d rows per forward pass. From now on a pass has at most %d.", rows, smaller)
    return smaller


def halve_evaluation_passes(data: DataModule, split: str, batches: Batches) -> None:
    """Make the passes of evaluations smaller, but not those of training. Raise RunError if they have one row."""
    before, rows = data.evaluation_size, max(map(len, batches.plan))
    if rows == 1:
        raise RunError(f"Out of memory in the evaluation of {split}, with a single row per forward pass; {_REMEDY}.")
    data.halvings.evaluation += 1
    while data.batching.by == "examples" and data.evaluation_size >= rows:
        data.halvings.evaluation += 1
    log.warning(
        "The evaluation of %s ran out of memory with %d %s per forward pass. From now on it has at most %d.",
        split, before, data.batching.by, data.evaluation_size,
    )  # fmt: skip
