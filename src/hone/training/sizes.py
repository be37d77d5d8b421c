"""How many bytes tensors and optimiser states take, and how much of a disk a run needs."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import torch
from torch import Tensor, nn

from hone.core.errors import UserError
from hone.core.value_types import ExactPrecision
from hone.core.wording import bytes_in_words
from hone.data.rows import Rows
from hone.runs.folder import Folder
from hone.training.course import Course
from hone.training.optim.optimizers import Optimizer

_AT_ONCE = 4
"""The most checkpoints that exist at a time: the two newest, the best, and one that is being written."""
_RECORD, _LABEL = 200, 32
"""Bytes of a record in `predictions/` and `contributions/`, and of each label in it: measured, texts left out."""
_SIDES = (2, 3, 5, 7, 11, 13)
"""The sizes of small stand-ins for weights. Being different primes, they show which side of a state comes from which
side of its weight."""


def of_tensors(tensors: Iterable[Tensor], dtype: torch.dtype | None = None) -> int:
    """Return the bytes of tensors, with floating-point numbers perhaps in another type."""
    return sum(tensor.numel() * _type(tensor, dtype).itemsize for tensor in tensors)


def trainable_weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights that are trained."""
    return [weight for weight in network.parameters() if weight.requires_grad]


def weight_dtype(precision: ExactPrecision) -> torch.dtype | None:
    """Return the type that a precision converts all weights to, if it does."""
    return {"bf16-true": torch.bfloat16, "64-true": torch.float64}.get(precision)


def of_state(optimizer: Optimizer, weights: Iterable[Tensor], dtype: torch.dtype | None = None) -> int:
    """Return the bytes of an optimiser's state, found by a step on weights of a few numbers."""
    kinds = [(weight.shape, _type(weight, dtype)) for weight in weights]
    kept = {(len(shape), dtype): _remembered(optimizer, len(shape), dtype) for shape, dtype in kinds}
    return sum(
        size * math.prod(_side(side, shape) for side in sides)
        for shape, dtype in kinds
        for sides, size in kept[len(shape), dtype]
    )


def _type(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    return dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype


def _remembered(optimizer: Optimizer, dims: int, dtype: torch.dtype) -> list[tuple[Sequence[int], int]]:
    """Return shape and bytes per number of each tensor in the state of a stand-in."""
    made = optimizer.over(torch.zeros(_SIDES[:dims], dtype=dtype))
    weight = made.param_groups[0]["params"][0]
    weight.grad = torch.ones_like(weight)
    made.step()
    state = made.state[weight]
    return [(tensor.shape, tensor.element_size()) for tensor in state.values() if isinstance(tensor, Tensor)]


def _side(side: int, shape: Sequence[int]) -> int:
    return shape[_SIDES.index(side)] if side in _SIDES[: len(shape)] else side


@final
@dataclass(frozen=True)
class Disk:
    """Disk space of a run, in bytes."""

    root: str
    place: str
    """The innermost folder on the way to the run that exists."""
    checkpoint: int
    needed: int
    """The most that the run takes at any time, beyond what it has stored already."""
    free: int

    @classmethod
    def of(
        cls,
        root: str,
        optimizer: Optimizer,
        precision: ExactPrecision,
        network: nn.Module,
        course: Course,
        rows: Rows,
        resumed: Folder | None,
    ) -> Self:
        """Estimate the space from the shapes of the weights and of the optimiser's state."""
        dtype, weights = weight_dtype(precision), trainable_weights(network)
        trainable = of_tensors(weights, dtype)
        averaged = trainable if optimizer.ema is not None else 0
        checkpoint = trainable + averaged + of_state(optimizer, weights, dtype)
        model = of_tensors([*network.parameters(), *network.buffers()], dtype)
        records = sum(size for split, size in rows.sizes.items() if split != "train")
        results = records * (_RECORD + _LABEL * len(rows.facts.labels))
        at_once = min(_AT_ONCE, course.checkpoints + 1)
        needed = at_once * checkpoint + model + results - (_stored(resumed) if resumed else 0)
        place = Path(root).expanduser().absolute()
        existing = next(folder for folder in (place, *place.parents) if folder.exists())
        usage, needed = shutil.disk_usage(existing), max(needed, 0)
        free = usage.free if usage.total else needed  # some network file systems do not say how large they are
        return cls(root, str(existing), checkpoint, needed, free)

    def require_room(self) -> None:
        """Raise UserError, before the first step, if the run would fill the disk."""
        if self.needed > self.free:
            raise UserError(
                f"output_root={self.root}: the run needs {bytes_in_words(self.needed)} for its checkpoints "
                f"({bytes_in_words(self.checkpoint)} each), model and predictions, {bytes_in_words(self.free)} free "
                f"at {self.place}. Free some space there, or choose a folder on another disk with output_root=…."
            )


def _stored(folder: Folder) -> int:
    """Return the bytes of the checkpoints and the model that a run has stored."""
    files = (file for place in (folder.snapshots, folder.model) for file in place.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files)
