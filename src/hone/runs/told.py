"""A run as a tracker is told of it, from what lies in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hone.runs.record import Record
from hone.runs.redact import redact_text
from hone.tracking.base import RunInfo

_PROVENANCE = (
    "git", "versions", "hardware", "data", "checkpoint", "parameters", "precision", "identity", "folder", "command",
    "id", "overrides", "started", "lower_is_better", "signatures",
)  # fmt: skip


def about(record: Record, config: Mapping[str, Any], root: Path) -> RunInfo:
    """How it begins; the config is the one that is stored, without secrets."""
    return RunInfo(
        id=record["id"],
        name=record["name"],
        group=record["group"],
        notes=redact_text(config["notes"]),
        config={
            **config,
            "choices": record["choices"],
            "provenance": {key: record[key] for key in _PROVENANCE},
        },
        root=root,
        folder=record.path.parent,
        tracker=record["wandb"] or {},
    )


def last_words(record: Record) -> dict[str, Any]:
    """How it ends."""
    best = record["best"] or {}
    blind = {f"baseline/{name}": value for name, value in (record["baseline"] or {}).items()}
    ending = {f"best/{key}": best.get(key) for key in ("step", "metric", "value")}
    return {**(record["scores"] or {}), **blind, **ending, "state": record["state"], "reason": record["reason"]}
