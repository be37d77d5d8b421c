"""How long a run would take, by its first few steps and a batch of its validation split."""

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
from hone.training.loop import train_step
from hone.training.parts import RunParts
from hone.training.preflight import Feasible
from hone.training.stage_cache import StageCache
from hone.training.state import TrainState
from hone.training.step import make_finite_check


@final
@dataclass(frozen=True)
class Bench:
    """A process by itself, whatever number of them the run would have."""

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

    def takes(self, step: Step) -> float:
        """The seconds of a step."""
        begun, targets = time.perf_counter(), max(sum(step.targets), 1e-12)
        loss, _ = train_step(
            self.fabric,
            self.train_state,
            make_finite_check(self.fabric, self.train_state),
            step,
            targets,
            self.job.settings.clip_norm,
        )
        float(loss)  # a GPU is waited for
        return time.perf_counter() - begun

    def evaluates(self, split: str, places: Iterable[int]) -> tuple[float, int]:
        """The seconds that some batches of a split take, and the tokens in them, padding included."""
        batches, lengths = self.data.batches(split), self.data.lengths[split]
        chosen = [batches.plan[place] for place in places]
        begun = time.perf_counter()
        run_through(self.fabric, self.train_state.wrapped, Batches(chosen, batches.make))
        return time.perf_counter() - begun, sum(len(rows) * int(lengths[rows].max()) for rows in chosen)


_SECONDS = 5.0
_FEWEST, _MOST = 2, 20


@final
@dataclass(frozen=True)
class Pace:
    """In seconds, roughly: steps differ, and starting and storing take time too."""

    step: float
    epoch: float
    evaluation: float
    """Of the validation split, as far as it is looked at during the training."""
    total: float


def pace_of(job: Feasible) -> Pace:
    """By the tokens of what was tried, and of all there is."""
    bench, outline, rows = Bench.of(job.job, job.precision), job.outline, job.prepared.rows.sizes["validation"]
    epoch = _training(bench) * outline.tokens["train"] / job.job.settings.devices
    step = epoch / outline.course.clock.steps_per_epoch
    read = _evaluation(bench) / job.job.settings.devices
    whole = read * outline.tokens["validation"]
    part = whole * min(1.0, (outline.course.evaluate_rows or rows) / rows)
    concluded = whole + read * outline.tokens.get("test", 0)
    return Pace(step, epoch, part, step * outline.course.steps + outline.evaluations * part + concluded)


def _training(bench: Bench) -> float:
    """Seconds a token; the first step warms up and does not count."""
    seconds = tokens = 0.0
    with bench.train_state.fast_paths():
        steps = bench.data.steps(1)
        bench.takes(next(steps))
        for count, step in enumerate(steps, start=1):
            seconds, tokens = seconds + bench.takes(step), tokens + step.tokens
            if count >= _FEWEST and (seconds > _SECONDS or count >= _MOST):
                break
    return seconds / max(tokens, 1.0)


def _evaluation(bench: Bench) -> float:
    """Seconds a token: of a batch that is neither among the longest nor among the shortest."""
    middle = len(bench.data.batches("validation").plan) // 2
    bench.evaluates("validation", [0])
    seconds, tokens = bench.evaluates("validation", [middle])
    return seconds / max(tokens, 1)
