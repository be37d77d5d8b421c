"""Whether jobs can run, before any weights are loaded: the cheap checks first, disk space last."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from hone.config.job import Job
from hone.config.settings import TrainSettings
from hone.core.errors import UserError
from hone.core.hardware import require_devices
from hone.core.value_types import ExactPrecision
from hone.core.wording import bytes_in_words
from hone.runs.folder import Folder, require_writable
from hone.runs.record import Record
from hone.training.course import Monitor
from hone.training.fabric import resolve_precision
from hone.training.optim.optimizers import Optimizer
from hone.training.parts import RunParts
from hone.training.prepare import Prepared, prepare, prepare_without_encoding
from hone.training.session import find_run_to_resume
from hone.training.stage_cache import StageCache
from hone.training.workload import Outline

_AT_ONCE = 4
"""The most checkpoints that exist at a time: the two newest, the best, and one that is being written."""
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
    checkpoint: int
    needed: int
    """The most that the run takes at any time."""
    free: int

    def require_room(self) -> None:
        if self.needed > self.free:
            raise UserError(
                f"output_root={self.root}: the run's checkpoints and its model take up to "
                f"{bytes_in_words(self.needed)}, but only {bytes_in_words(self.free)} are free there."
            )


def disk_of(
    parts: RunParts, settings: TrainSettings, precision: ExactPrecision, prepared: Prepared, outline: Outline
) -> Disk:
    """Estimate the disk space from the shapes of the weights and of the optimiser's state."""
    dtype, weights = weight_dtype(precision), trainable_weights(prepared.blank)
    trainable = of_tensors(weights, dtype)
    averaged = trainable if parts.optimizer.ema is not None else 0
    checkpoint = trainable + averaged + of_state(parts.optimizer, weights, dtype)
    model = of_tensors([*prepared.blank.parameters(), *prepared.blank.buffers()], dtype)
    place = Path(settings.output_root).expanduser().absolute()
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    at_once = min(_AT_ONCE, outline.checkpoints + 1)
    return Disk(settings.output_root, checkpoint, at_once * checkpoint + model, shutil.disk_usage(existing).free)


@final
@dataclass(frozen=True)
class Feasible:
    """A job that passed every check."""

    job: Job
    parts: RunParts
    precision: ExactPrecision
    prepared: Prepared
    outline: Outline
    disk: Disk
    resumed: Folder | None
    """The run that it would resume."""


@final
class Preflight:
    """Checks one job after another. What they share is loaded once."""

    def __init__(self, elsewhere: bool = False) -> None:
        self.elsewhere = elsewhere
        """Whether the jobs will run on other machines, with devices of their own."""
        self.store: dict[str, Any] = {}

    def check(self, job: Job) -> Feasible:
        """Raise UserError if `hone train` would, or if it would later run out of disk space."""
        settings = job.settings
        parts, resumed = self._check_place(job)
        before = Record.load(resumed.record)["precision"] if resumed else None
        precision = resolve_precision(settings.precision, settings.accelerator, before)
        prepared = prepare(parts, settings, StageCache(job, self.store, remember_mistakes=True), strict=True)
        outline = Outline.of(parts, settings, prepared)
        disk = disk_of(parts, settings, precision, prepared, outline)
        disk.require_room()
        return Feasible(job, parts, precision, prepared, outline, disk, resumed)

    def glance(self, job: Job) -> Monitor:
        """Do the checks that need no encoded rows; return the metric that judges the run."""
        parts, _ = self._check_place(job)
        return prepare_without_encoding(
            parts, job.settings, StageCache(job, self.store, remember_mistakes=True), strict=True
        ).monitor

    def _check_place(self, job: Job) -> tuple[RunParts, Folder | None]:
        """Check devices and folder; return the parts of the job and the run that it would resume."""
        settings = job.settings
        if not self.elsewhere:
            require_devices(settings.accelerator, settings.devices)
        parts = RunParts.of(job.config, settings.trust)
        require_writable(Path(settings.output_root))
        return parts, find_run_to_resume(job)


def require_possible(job: Job) -> None:
    """Check a single job."""
    Preflight().check(job)
