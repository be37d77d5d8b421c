"""Whether jobs can be run, before any weights are loaded: the cheap questions first."""

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
from hone.training.stage_cache import SharedStageCache
from hone.training.workload import Outline

_SIDES = (2, 3, 5, 7, 11, 13)
"""Of the small weights that stand in for large ones: by these it shows which side of a state is which side of them."""


def of_tensors(tensors: Iterable[Tensor], kept_as: torch.dtype | None = None) -> int:
    """Bytes; numbers that are no integers may be kept in another type."""
    return sum(tensor.numel() * _type(tensor, kept_as).itemsize for tensor in tensors)


def learning(network: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in network.parameters() if weight.requires_grad]


def weight_dtype(precision: ExactPrecision) -> torch.dtype | None:
    """The type that a precision brings all weights to, if it does."""
    return {"bf16-true": torch.bfloat16, "64-true": torch.float64}.get(precision)


def of_state(optimizer: Optimizer, weights: Iterable[Tensor], kept_as: torch.dtype | None = None) -> int:
    """What the optimiser keeps beside the weights from its first step on: tried with weights of a few numbers."""
    kinds = [(weight.shape, _type(weight, kept_as)) for weight in weights]
    kept = {(len(shape), dtype): _remembered(optimizer, len(shape), dtype) for shape, dtype in kinds}
    return sum(
        size * math.prod(_side(side, shape) for side in sides)
        for shape, dtype in kinds
        for sides, size in kept[len(shape), dtype]
    )


def _type(tensor: Tensor, kept_as: torch.dtype | None) -> torch.dtype:
    return kept_as if kept_as is not None and tensor.is_floating_point() else tensor.dtype


def _remembered(optimizer: Optimizer, dims: int, dtype: torch.dtype) -> list[tuple[Sequence[int], int]]:
    """The sides, and the bytes of a number, of each tensor that is kept of a stand-in."""
    made = optimizer.over(torch.zeros(_SIDES[:dims], dtype=dtype))
    weight = made.param_groups[0]["params"][0]
    weight.grad = torch.ones_like(weight)
    made.step()
    state = made.state[weight]
    return [(tensor.shape, tensor.element_size()) for tensor in state.values() if isinstance(tensor, Tensor)]


def _side(side: int, shape: Sequence[int]) -> int:
    return shape[_SIDES.index(side)] if side in _SIDES[: len(shape)] else side


_AT_ONCE = 4
"""Checkpoints that there can be: the two newest, the best, and one that is being written."""


@final
@dataclass(frozen=True)
class Disk:
    """All in bytes."""

    root: str
    checkpoint: int
    needed: int
    """At most, while the run goes on."""
    free: int

    def require_room(self) -> None:
        if self.needed > self.free:
            raise UserError(
                f"output_root={self.root}: the run's checkpoints and its model take up to "
                f"{bytes_in_words(self.needed)}, and {bytes_in_words(self.free)} are free there."
            )


def disk_of(
    parts: RunParts, settings: TrainSettings, precision: ExactPrecision, known: Prepared, outline: Outline
) -> Disk:
    """From the shapes of the weights and of what the optimiser keeps."""
    kept_as, weights = weight_dtype(precision), learning(known.blank)
    learned = of_tensors(weights, kept_as)
    averaged = learned if parts.optimizer.ema is not None else 0
    checkpoint = learned + averaged + of_state(parts.optimizer, weights, kept_as)
    model = of_tensors([*known.blank.parameters(), *known.blank.buffers()], kept_as)
    place = Path(settings.output_root).expanduser().absolute()
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    at_once = min(_AT_ONCE, outline.checkpoints + 1)
    return Disk(settings.output_root, checkpoint, at_once * checkpoint + model, shutil.disk_usage(existing).free)


@final
@dataclass(frozen=True)
class Feasible:
    """A job with nothing to be said against it."""

    job: Job
    parts: RunParts
    precision: ExactPrecision
    prepare: Prepared
    outline: Outline
    disk: Disk
    found: Folder | None
    """The run it would go on with."""


@final
class Preflight:
    """Checks one job after the other; what they have in common is loaded once."""

    def __init__(self, elsewhere: bool = False) -> None:
        self.elsewhere = elsewhere
        """Whether the jobs will be on other machines, with devices of their own."""
        self.store: dict[str, Any] = {}

    def check(self, job: Job) -> Feasible:
        """Raises UserError with the reason where `hone train` would, or would later run out of disk."""
        settings = job.settings
        parts, found = self._settled(job)
        before = Record.load(found.record)["precision"] if found else None
        precision = resolve_precision(settings.precision, settings.accelerator, before)
        known = prepare(parts, settings, SharedStageCache(self.store, job, mistakes=True), strict=True)
        outline = Outline.of(parts, settings, known)
        disk = disk_of(parts, settings, precision, known, outline)
        disk.require_room()
        return Feasible(job, parts, precision, known, outline, disk, found)

    def glance(self, job: Job) -> Monitor:
        """Raises UserError where that shows before the rows are encoded; else says what the run is judged by."""
        parts, _ = self._settled(job)
        return prepare_without_encoding(
            parts, job.settings, SharedStageCache(self.store, job, mistakes=True), strict=True
        ).monitor

    def _settled(self, job: Job) -> tuple[RunParts, Folder | None]:
        """The parts of a job, and the run that it would go on with."""
        settings = job.settings
        if not self.elsewhere:
            require_devices(settings.accelerator, settings.devices)
        parts = RunParts.of(job.config, settings.trust)
        require_writable(Path(settings.output_root))
        return parts, find_run_to_resume(job)


def require_possible(job: Job) -> None:
    """The same for a single job."""
    Preflight().check(job)
