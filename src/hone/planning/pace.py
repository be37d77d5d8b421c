"""How long a run would take, by its first few steps and a batch of its validation split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from hone.planning.bench import Bench
from hone.training.preflight import Feasible

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
    bench, outline, rows = Bench.of(job.job, job.precision), job.outline, job.draft.rows.sizes["validation"]
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
    with bench.trainee.at_work():
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
