"""The section `sweep` of a config: what a sweep runs, how, and its budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, final

from hone.core.errors import UserError
from hone.core.value_types import Count, FolderName, Positive, Rerun, Workers
from hone.sweeps.sampler import Sampler
from hone.training.pruning import Pruner

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_BUDGET = re.compile(r"\s*([\d_.]+)\s*(trial|step|second|minute|hour|day)s?\s*")


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


@final
@dataclass(frozen=True)
class Budget:
    """When a sweep stops starting runs: after a number of runs, of seconds or of optimiser steps."""

    trials: float = float("inf")
    seconds: float = float("inf")
    steps: float = float("inf")

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read `20 trials`, `2 hours` or `50_000 steps`; None is no limit."""
        if text is None:
            return cls()
        match = _BUDGET.fullmatch(text)
        amount = float(match[1].replace("_", "")) if match and match[1].count(".") < 2 else 0.0
        if not match or amount <= 0:
            raise UserError(
                f'sweep.budget={text}: expected a positive amount, such as "20 trials", "2 hours" or "50_000 steps".'
            )
        unit = match[2]
        if unit in _SECONDS:
            return cls(seconds=amount * _SECONDS[unit])
        return cls(trials=amount) if unit == "trial" else cls(steps=amount)

    def spent(self, trials: int, seconds: float, steps: int) -> bool:
        return trials >= self.trials or seconds >= self.seconds or steps >= self.steps
