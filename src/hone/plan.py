"""`hone plan`: what `hone train` would do with the same words, found out without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hone import build
from hone.allocator import keep_memory
from hone.invocation import Invocation
from hone.job import Job
from hone.logs import logged, quieten_libraries
from hone.planning.findings import findings
from hone.planning.memory import Estimate, estimate
from hone.planning.options import Options
from hone.planning.pace import pace_of
from hone.planning.preflight import Feasible, Preflight
from hone.planning.probe import measured
from hone.planning.screen import screen
from hone.precision import advise
from hone.runs.identity import with_absolute_paths
from hone.settings.plan import Plan


def main(settings: Plan, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Checks, estimates, perhaps tries, and tells."""
    options = build.build(parts["plan"], Options, "plan", settings.trust)
    config = with_absolute_paths({**asdict(settings), **{name: node for name, node in parts.items() if name != "plan"}})
    keep_memory()
    quieten_libraries()
    with logged():
        job = Preflight().check(Job(settings, config, invocation))
        advise(job.precision, job.parts.optimizer.rounds_at_random)
        expected = estimate(job)
        reason = _against(job, expected)
        steps = [number for number, _ in job.outline.heaviest()]
        peak = measured(job.job, job.precision, steps) if options.probe else None
        pace = pace_of(job) if options.time and not reason else None
    found = findings(job, expected, peak, pace)
    if options.format == "json":
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        screen(found, reason)


def _against(job: Feasible, expected: Estimate) -> str:
    """Why it would not do to try some steps."""
    if not expected.fits:
        return "This is more than there is room for: try a smaller batch_size with a larger accumulate, or an adapter."
    if not job.parts.checkpoint.at_hand():
        return "The weights would have to be fetched first, so no steps were tried."
    return ""
