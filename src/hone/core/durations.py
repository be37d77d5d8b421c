"""Durations in human units ("3 epochs", "500 steps", "10_000 examples", "10%"), converted to optimiser steps once."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, final

Unit = Literal["steps", "epochs", "examples", "percent"]

_UNITS: dict[str, Unit] = {
    "": "steps", "step": "steps", "steps": "steps", "epoch": "epochs", "epochs": "epochs",
    "example": "examples", "examples": "examples", "%": "percent", "percent": "percent",
}  # fmt: skip
_PATTERN = re.compile(r"\s*([0-9][0-9_]*\.?[0-9]*(?:e[+-]?[0-9]+)?)\s*(%|[a-z]*)\s*", re.IGNORECASE)


@final
@dataclass(frozen=True)
class Clock:
    """The size of a training run, by which durations are converted to optimiser steps."""

    steps_per_epoch: int
    examples_per_epoch: int
    total_steps: int


@final
@dataclass(frozen=True)
class Duration:
    """An amount of training in one of the units."""

    amount: float
    unit: Unit

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Parse a config value. A bare number counts steps; one between 0 and 1 is a share of the training."""
        match = None if isinstance(value, bool) else _PATTERN.fullmatch(str(value))
        unit = _UNITS.get(match[2].lower()) if match else None
        if match is None or unit is None:
            raise ValueError(f'{value!r} is not a duration: write "500 steps", "2 epochs", "10_000 examples" or "10%"')
        amount = float(match[1].replace("_", ""))
        if match[2] == "" and 0 < amount < 1:
            return cls(100 * amount, "percent")
        if not math.isfinite(amount):
            raise ValueError(f"{value!r} is not a finite duration")
        if unit == "percent" and amount > 100:
            raise ValueError(f"{value!r} is more than all of the training")
        return cls(amount, unit)

    def steps(self, clock: Clock) -> int:
        """Return the nearest whole number of optimiser steps: at least one, unless the amount is 0."""
        scale = {
            "steps": 1.0,
            "epochs": clock.steps_per_epoch,
            "examples": clock.steps_per_epoch / max(clock.examples_per_epoch, 1),
            "percent": clock.total_steps / 100,
        }[self.unit]
        return max(round(self.amount * scale), 1 if self.amount > 0 else 0)
