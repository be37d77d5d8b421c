"""All that is found out about a job, as plain values: what programs read, and what the screen is made of."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hone.core.hardware import device_of
from hone.models.network import count_parameters
from hone.planning.memory import Estimate
from hone.planning.pace import Pace
from hone.runs.record import Record
from hone.training.preflight import Feasible


def findings(job: Feasible, expected: Estimate, measured: int | None, pace: Pace | None) -> dict[str, Any]:
    """Memory and disk in bytes, times in seconds; what was not asked for is null."""
    settings, draft, parts = job.job.settings, job.draft, job.parts
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
    if job.found is None:
        return None
    record = Record.load(job.found.record)
    return {"folder": str(job.found.path), "state": record["state"], "steps": record["steps"]}
