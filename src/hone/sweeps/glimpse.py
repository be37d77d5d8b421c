"""How far a run at work has come, by what lies in its folder."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

_END = 4096
"""Bytes of a journal that hold its last rows."""


def glimpse(folder: Path, metric: str) -> str:
    """`step 40/50  0.7312`, with the last value of the metric; as much of that as is known yet."""
    rows = _last_rows(folder / "metrics.jsonl")
    if not rows:
        return ""
    with suppress(OSError, ValueError):
        steps = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("steps")
        values = [row[metric] for row in rows if isinstance(row.get(metric), float)]
        return f"step {rows[-1]['step']}/{steps}" + "".join(f"  {value:.4f}" for value in values[-1:])
    return ""


def _last_rows(path: Path) -> list[dict[str, Any]]:
    """Whole ones: the first of them may be cut off by where we begin, the last by where its run has come to."""
    rows = []
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END))
        for line in file.read().decode(errors="replace").splitlines():
            with suppress(ValueError):
                rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict) and "step" in row]
