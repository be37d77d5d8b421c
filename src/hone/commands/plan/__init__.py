"""`hone plan`: what `hone train` would do with the same arguments, found out without training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

from hone.commands.plan.memory import Estimate, estimate
from hone.commands.plan.pace import Pace, measure_pace
from hone.commands.plan.probe import measure_peak
from hone.commands.plan.screen import print_forecast
from hone.config import build
from hone.config.job import Invocation, Job
from hone.config.settings import PlanSettings
from hone.core.hardware import device_of
from hone.core.log import capture_log, quieten_libraries
from hone.core.streams import write_json
from hone.models.loading import loading_lines
from hone.models.network import count_parameters
from hone.runs.identity import with_absolute_paths
from hone.runs.record import Record
from hone.training.parts import RunParts
from hone.training.precision import warn_about_precision
from hone.training.preflight import Feasible, Preflight

_PATIENCE = 120.0
"""Seconds after which a measurement that the user has not asked for is given up."""


@final
@dataclass(frozen=True)
class PlanOptions:
    """The config's `plan` section."""

    time: bool
    probe: bool
    format: Literal["table", "json"]


@final
@dataclass(frozen=True)
class PlanParts(RunParts):
    """The sections of `conf/plan.yaml`."""

    plan: PlanOptions


def main(settings: PlanSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Find out what the run would do and need, and print it."""
    options = build.build(parts["plan"], PlanOptions, "plan", settings.trust)
    config = with_absolute_paths({**asdict(settings), **{name: node for name, node in parts.items() if name != "plan"}})
    quieten_libraries()
    with capture_log():
        result, advice = forecast(Job(settings, config, invocation), options)
    if options.format == "json":
        write_json(result, indent=2)
    else:
        print_forecast(result, advice)


def forecast(job: Job, options: PlanOptions) -> tuple[dict[str, Any], str]:
    """Check the job, estimate what it needs, and try some steps if that is asked for and possible.

    Returns what `plan.format=json` prints, and advice in words. A step that cannot be rehearsed without values is
    measured instead, if the weights are on this machine.
    """
    feasible = Preflight().check(job)
    warn_about_precision(feasible.precision, feasible.parts.optimizer.rounds_at_random)
    expected = estimate(feasible)
    obstacle = _obstacle(feasible, expected)
    steps = [number for number, _ in feasible.outline.heaviest()]
    peak = None
    if options.probe or (expected.unknown and not obstacle):
        peak = measure_peak(job, feasible.precision, steps, None if options.probe else _PATIENCE)
    pace = measure_pace(feasible) if options.time and not obstacle else None
    advice = [_note_on_activations(expected, peak), obstacle]
    return _describe(feasible, expected, peak, pace), " ".join(filter(None, advice))


def _obstacle(feasible: Feasible, expected: Estimate) -> str:
    """Return why no steps can be tried, or an empty text."""
    if not expected.fits:
        return "This is more than is available: try a smaller batch_size with a larger accumulate, or an adapter."
    if not feasible.parts.checkpoint.at_hand():
        return "The weights would have to be downloaded first, so no steps were tried."
    return ""


def _note_on_activations(expected: Estimate, peak: int | None) -> str:
    """Return why activations were not estimated and what was done instead, or an empty text."""
    if not expected.unknown:
        return ""
    instead = "a separate process took the heaviest steps" if peak else "the total leaves out activations"
    return f"The step depends on values that an estimate does not have ({expected.unknown}), so {instead}."


def _describe(feasible: Feasible, expected: Estimate, peak: int | None, pace: Pace | None) -> dict[str, Any]:
    """Return what was found, with memory and disk in bytes and times in seconds; what was not asked for is null."""
    settings, prepared, parts = feasible.job.settings, feasible.prepared, feasible.parts
    memory = asdict(expected.memory) | {"total": expected.memory.total, "measured": peak, "room": expected.room}
    memory["unknown_because"] = expected.unknown or None
    return {
        "name": feasible.job.name,
        "identity": feasible.job.identity,
        "goes_on_with": _run_to_resume(feasible),
        "data": {"name": parts.dataset.name, "rows": prepared.rows.sizes},
        "task": {"name": type(prepared.task).__module__.rpartition(".")[2], "kind": prepared.rows.facts.kind,
                 "labels": len(prepared.rows.facts.labels)},
        "monitor": asdict(prepared.monitor),
        "checkpoint": {"name": parts.checkpoint.name, "at_hand": parts.checkpoint.at_hand(),
                       "loading": loading_lines(prepared.blank)},
        "parameters": count_parameters(prepared.blank),
        "precision": feasible.precision,
        "device": device_of(settings.accelerator),
        "devices": settings.devices,
        "course": _describe_course(feasible),
        "tokens": {"unit": prepared.task.unit, "epoch": feasible.outline.tokens["train"],
                   "padding": round(feasible.outline.padding, 4),
                   "packed": None if expected.padded is None else not expected.padded,
                   "padded_because": expected.padded or None},
        "memory": memory,
        "disk": asdict(feasible.disk),
        "time": None if pace is None else asdict(pace),
    }  # fmt: skip


def _describe_course(feasible: Feasible) -> dict[str, Any]:
    outline = feasible.outline
    return {
        "steps": outline.course.steps,
        "epochs": outline.epochs,
        "steps_per_epoch": outline.course.clock.steps_per_epoch,
        "batches_per_epoch": outline.batches,
        "examples": dict(outline.examples),
        "evaluations": outline.evaluations,
    }


def _run_to_resume(feasible: Feasible) -> dict[str, Any] | None:
    """Return how the run stands that the command would continue, if there is one."""
    if feasible.resumed is None:
        return None
    record = Record.load(feasible.resumed.record)
    return {"folder": str(feasible.resumed.path), "state": record["state"], "steps": record["steps"]}
