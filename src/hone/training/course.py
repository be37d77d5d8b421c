"""How long a training is, and at which steps it logs, evaluates and saves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from hone.config.settings import TrainSettings
from hone.core.durations import Clock, Duration
from hone.core.errors import UserError


@final
@dataclass(frozen=True)
class Course:
    """The length and the intervals of a training, in optimiser steps. Everything happens at the last step too."""

    clock: Clock
    evaluate_every: int | None
    save_every: int | None
    log_every: int
    evaluate_rows: int | None = None
    saves_start: bool = False
    """Whether the run may have to go back to its beginning."""

    @classmethod
    def of(cls, settings: TrainSettings, steps_per_epoch: int, examples: int) -> Course:
        length = Duration(settings.epochs, "epochs") if settings.epochs else Duration.parse(settings.steps)
        if length.unit == "percent":
            raise UserError(f"steps={settings.steps}: a percentage of what? Give steps, epochs or examples.")
        total = length.steps(Clock(steps_per_epoch, examples, total_steps=0))
        clock = Clock(steps_per_epoch, examples, total)
        return cls(
            clock,
            _every(settings.evaluate_every, clock),
            _every(settings.save_every, clock),
            settings.log_every,
            settings.evaluate_rows,
            settings.on_nonfinite == "retry",
        )

    @property
    def steps(self) -> int:
        return self.clock.total_steps

    def epoch(self, step: int) -> float:
        """Return the epochs that are done after a step."""
        return round(step / self.clock.steps_per_epoch, 4)

    def examples(self, step: int) -> int:
        """Return the number of examples trained on after a step."""
        return round(step / self.clock.steps_per_epoch * self.clock.examples_per_epoch)

    def logs(self, step: int) -> bool:
        return step % self.log_every == 0 or step == self.steps

    def evaluates(self, step: int) -> bool:
        return step == self.steps or (self.evaluate_every is not None and step % self.evaluate_every == 0)

    @property
    def evaluations(self) -> int:
        """The number of evaluations before the last step."""
        return (self.steps - 1) // self.evaluate_every if self.evaluate_every else 0

    @property
    def checkpoints(self) -> int:
        """The number of checkpoints that are written; most are deleted again."""
        saves = [-(-self.steps // every) for every in (self.evaluate_every, self.save_every) if every]
        return max([1, *saves]) + self.saves_start

    def needs_health_check(self, step: int) -> bool:
        """Return whether numbers of this step are logged or saved, so that it must be finite."""
        return self.logs(step) or self.saves(step)

    def saves(self, step: int) -> bool:
        """Return whether this step is saved. Every evaluated step is, so that the best one can be restored."""
        return self.evaluates(step) or (self.save_every is not None and step % self.save_every == 0)


def _every(value: str | int | float | None, clock: Clock) -> int | None:
    steps = Duration.parse(value).steps(clock) if value is not None else 0
    return steps or None


@final
@dataclass(frozen=True)
class Monitor:
    """The validation metric that decides which weights are the best."""

    name: str
    higher_is_better: bool

    def improves(self, value: float, best: Mapping[str, Any] | None) -> bool:
        """Return whether a score is better than the best so far. One that is NaN or infinite never is."""
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        before = float(best["value"])
        return value > before if self.higher_is_better else value < before
