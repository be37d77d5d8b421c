"""The parts of a run: what its config is built into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from hone.config.build import build_parts
from hone.core.task import Task
from hone.data.batching import Batching
from hone.data.source import Source
from hone.models.adapters import Adapter
from hone.models.checkpoint import Checkpoint
from hone.models.head import Head
from hone.tracking.tracker import Tracker
from hone.training.optim.optimizers import Optimizer
from hone.training.optim.schedules import Scheduler


@dataclass(frozen=True)
class RunParts:
    """One field per config group."""

    dataset: Source
    checkpoint: Checkpoint
    task: Task
    head: Head
    adapter: Adapter
    optimizer: Optimizer
    scheduler: Scheduler
    batch: Batching
    tracker: Tracker

    @classmethod
    def of(cls, config: Mapping[str, Any], trust: Iterable[str]) -> Self:
        """Build every part of a checked config."""
        return build_parts(cls, config, trust)
