"""All that `hone plan` finds out about one job, as plain values, and why some steps of it were not tried."""

from __future__ import annotations

from typing import Any

from hone.config.job import Job
from hone.planning.findings import findings
from hone.planning.memory import Estimate, estimate
from hone.planning.options import Options
from hone.planning.pace import pace_of
from hone.planning.probe import measured
from hone.training.fabric import advise
from hone.training.preflight import Feasible, Preflight


def forecast(job: Job, options: Options) -> tuple[dict[str, Any], str]:
    """Checks, estimates, perhaps tries; a network that cannot be rehearsed is measured, if its weights are here."""
    feasible = Preflight().check(job)
    advise(feasible.precision, feasible.parts.optimizer.rounds_at_random)
    expected = estimate(feasible)
    reason = _against(feasible, expected)
    steps = [number for number, _ in feasible.outline.heaviest()]
    probes = options.probe or (expected.unknown and not reason)
    peak = measured(job, feasible.precision, steps) if probes else None
    pace = pace_of(feasible) if options.time and not reason else None
    return findings(feasible, expected, peak, pace), " ".join(filter(None, [_without(expected, peak), reason]))


def _without(expected: Estimate, peak: int | None) -> str:
    """Why activations were not estimated, and what stands for them."""
    if not expected.unknown:
        return ""
    instead = "a process of its own took the heaviest steps" if peak else "the total leaves out activations"
    return f"The forward pass depends on values that an estimate does not have ({expected.unknown}), so {instead}."


def _against(job: Feasible, expected: Estimate) -> str:
    """Why it would not do to try some steps."""
    if not expected.fits:
        return "This is more than is available: try a smaller batch_size with a larger accumulate, or an adapter."
    if not job.parts.checkpoint.at_hand():
        return "The weights would have to be fetched first, so no steps were tried."
    return ""
