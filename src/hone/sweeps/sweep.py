"""A config's `sweep`: what `-m` runs, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from hone.core.value_types import Count, FolderName, Positive, Rerun, Workers
from hone.sweeps.samplers.base import Sampler
from hone.training.pruning import Pruner


@final
@dataclass(frozen=True)
class Sweep:
    """`conf/sweep/grid.yaml` says what each key means."""

    sampler: Sampler
    pruner: Pruner
    space: Mapping[str, str]
    tied: list[list[str]]
    conditions: Mapping[str, str]
    name: FolderName | None
    workers: Workers
    trials_per_gpu: Count
    trial_timeout: Positive | None
    rerun: Rerun
    skip_impossible: bool
    budget: str | None
