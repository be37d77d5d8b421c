"""How long a run would take, judged by its first few steps and by one batch of its validation split."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, final

from lightning.fabric import Fabric

from hone.config.job import Job
from hone.core.value_types import ExactPrecision
from hone.data.module import Batches, DataModule, Step
from hone.training.assemble import assemble
from hone.training.evaluation import run_through
from hone.training.fabric import make_fabric
from hone.training.nonfinite import make_finite_check
from hone.training.parts import RunParts
from hone.training.preflight import Feasible
from hone.training.stage_cache import StageCache
from hone.training.state import TrainState
from hone.training.step import train_step

_SECONDS = 5.0
"""Steps are timed for this long, within these numbers of them."""
_FEWEST, _MOST = 2, 20


@final
@dataclass(frozen=True)
class Pace:
    """Rough times in seconds: steps differ, and starting up and saving take time as well."""

    step: float
    epoch: float
    evaluation: float
    """One evaluation during training, which may read only a part of the validation split."""
    total: float


@final
@dataclass(frozen=True)
class StepTimer:
    """A run that is set up in a single process, however many the real run would have, to time its parts."""

    job: Job
    fabric: Fabric
    data: DataModule
    train_state: TrainState

    @classmethod
    def of(cls, job: Job, precision: ExactPrecision) -> Self:
        settings = job.settings
        parts = RunParts.of(job.config, settings.trust)
        fabric = make_fabric(settings.accelerator, precision)
        assembled = assemble(parts, settings, fabric, StageCache())
        return cls(job, fabric, assembled.data, assembled.state)

    def time_step(self, step: Step) -> float:
        """Return the seconds that a training step takes."""
        begun, targets = time.perf_counter(), max(sum(step.targets), 1e-12)
        finite_check = make_finite_check(self.fabric, self.train_state)
        loss, _ = train_step(self.fabric, self.train_state, finite_check, step, targets, self.job.settings.clip_norm)
        float(loss)  # waits for a GPU to finish
        return time.perf_counter() - begun

    def time_evaluation(self, split: str, places: Iterable[int]) -> tuple[float, int]:
        """Return the seconds that some batches of a split take, and the number of their tokens, padding included."""
        batches, lengths = self.data.batches(split), self.data.splits[split].lengths
        chosen = [batches.plan[place] for place in places]
        begun = time.perf_counter()
        run_through(self.fabric, self.train_state.wrapped, Batches(chosen, batches.make))
        return time.perf_counter() - begun, sum(len(rows) * int(lengths[rows].max()) for rows in chosen)


def measure_pace(feasible: Feasible) -> Pace:
    """Scale the time per token of what was tried to all tokens of the run."""
    timer = StepTimer.of(feasible.job, feasible.precision)
    outline, devices = feasible.outline, feasible.job.settings.devices
    epoch = _seconds_per_training_token(timer) * outline.tokens["train"] / devices
    step = epoch / outline.course.clock.steps_per_epoch
    per_token = _seconds_per_evaluation_token(timer) / devices
    validation = per_token * outline.tokens["validation"]
    rows = feasible.prepared.rows.sizes["validation"]
    evaluation = validation * min(1.0, (outline.course.evaluate_rows or rows) / rows)
    final_scores = validation + per_token * outline.tokens.get("test", 0)
    total = step * outline.course.steps + outline.evaluations * evaluation + final_scores
    return Pace(step, epoch, evaluation, total)


def _seconds_per_training_token(timer: StepTimer) -> float:
    """The first step warms up and does not count."""
    seconds = tokens = 0.0
    with timer.train_state.fast_paths():
        steps = timer.data.steps(1)
        timer.time_step(next(steps))
        for count, step in enumerate(steps, start=1):
            seconds, tokens = seconds + timer.time_step(step), tokens + step.tokens
            if count >= _FEWEST and (seconds > _SECONDS or count >= _MOST):
                break
    return seconds / max(tokens, 1.0)


def _seconds_per_evaluation_token(timer: StepTimer) -> float:
    """Batches are sorted by length: the first warms up, and the middle one stands for all."""
    middle = len(timer.data.batches("validation").plan) // 2
    timer.time_evaluation("validation", [0])
    seconds, tokens = timer.time_evaluation("validation", [middle])
    return seconds / max(tokens, 1)
