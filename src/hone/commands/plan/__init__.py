"""`hone plan`: what `hone train` would do with the same words, found out without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

from hone.commands.plan.memory import Estimate, estimate
from hone.commands.plan.pace import Pace, pace_of
from hone.commands.plan.probe import measured
from hone.commands.plan.screen import screen
from hone.config import build
from hone.config.job import Invocation, Job
from hone.config.settings import PlanSettings
from hone.core.hardware import device_of
from hone.core.log import capture_log, quieten_libraries
from hone.models.network import count_parameters
from hone.runs.identity import with_absolute_paths
from hone.runs.record import Record
from hone.training.fabric import warn_about_precision
from hone.training.parts import RunParts
from hone.training.preflight import Feasible, Preflight


def findings(job: Feasible, expected: Estimate, measured: int | None, pace: Pace | None) -> dict[str, Any]:
    """Memory and disk in bytes, times in seconds; what was not asked for is null."""
    settings, draft, parts = job.job.settings, job.prepared, job.parts
    memory = asdict(expected.memory) | {"total": expected.memory.total, "measured": measured, "room": expected.room}
    memory["unknown_because"] = expected.unknown or None
    return {
        "name": job.job.name,
        "identity": job.job.identity,
        "goes_on_with": _found(job),
        "data": {"name": parts.dataset.name, "rows": draft.rows.sizes},
        "task": {"name": type(draft.task).__module__.rpartition(".")[2], "kind": draft.rows.facts.kind,
                 "labels": len(draft.rows.facts.labels)},
        "monitor": asdict(draft.monitor),
        "checkpoint": {"name": parts.checkpoint.name, "at_hand": parts.checkpoint.at_hand()},
        "parameters": count_parameters(draft.blank),
        "precision": job.precision,
        "device": device_of(settings.accelerator),
        "devices": settings.devices,
        "course": _course(job),
        "tokens": {"epoch": job.outline.tokens["train"], "padding": round(job.outline.padding, 4),
                   "packed": not expected.padded, "padded_because": expected.padded or None},
        "memory": memory,
        "disk": asdict(job.disk),
        "time": None if pace is None else asdict(pace),
    }  # fmt: skip


def _course(job: Feasible) -> dict[str, Any]:
    outline = job.outline
    return {
        "steps": outline.course.steps,
        "epochs": outline.epochs,
        "steps_per_epoch": outline.course.clock.steps_per_epoch,
        "batches_per_epoch": outline.batches,
        "examples": dict(outline.examples),
        "evaluations": outline.evaluations,
    }


def _found(job: Feasible) -> dict[str, Any] | None:
    """The run that there is already."""
    if job.resumed is None:
        return None
    record = Record.load(job.resumed.record)
    return {"folder": str(job.resumed.path), "state": record["state"], "steps": record["steps"]}


@final
@dataclass(frozen=True)
class Options:
    """The config's `plan`."""

    time: bool
    probe: bool
    format: Literal["table", "json"]


@final
@dataclass(frozen=True)
class PlanParts(RunParts):
    """The sections of `conf/plan.yaml`."""

    plan: Options


def forecast(job: Job, options: Options) -> tuple[dict[str, Any], str]:
    """Checks, estimates, perhaps tries; a network that cannot be rehearsed is measured, if its weights are here."""
    feasible = Preflight().check(job)
    warn_about_precision(feasible.precision, feasible.parts.optimizer.rounds_at_random)
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


def main(settings: PlanSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Finds out and tells."""
    options = build.build(parts["plan"], Options, "plan", settings.trust)
    config = with_absolute_paths({**asdict(settings), **{name: node for name, node in parts.items() if name != "plan"}})
    quieten_libraries()
    with capture_log():
        found, reason = forecast(Job(settings, config, invocation), options)
    if options.format == "json":
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        screen(found, reason)
