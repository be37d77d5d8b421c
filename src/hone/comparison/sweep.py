"""A sweep's own file: what was to be run, and how far each cell of it got."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import yaml

from hone.comparison.groups import Metric
from hone.comparison.reading import read_json, read_run
from hone.comparison.runs import Entry
from hone.errors import UserError
from hone.sweeps.saved import FILE as SWEEP


@final
@dataclass(frozen=True)
class Sweep:
    """`sweep.json`, read."""

    folder: Path
    name: str
    command: str
    keys: tuple[str, ...]
    sampler: str
    metric: Metric | None
    state: str
    started: str
    seconds: float | None
    entries: tuple[Entry, ...]


def read_sweep(folder: Path, with_config: bool = False) -> Sweep:
    """The sweep and its cells; a cell that has a run says what the run says of itself."""
    told = read_json(folder / SWEEP)
    metric = Metric(str(told["metric"]), bool(told.get("higher_is_better", True))) if told.get("metric") else None
    cells = [cell for cell in told.get("cells") or () if isinstance(cell, dict)]
    return Sweep(
        folder=folder,
        name=str(told.get("name") or folder.name),
        command=str(told.get("command") or ""),
        keys=tuple(map(str, told.get("keys") or ())),
        sampler=str(told.get("sampler") or ""),
        metric=metric,
        state=str(told.get("state") or "unknown"),
        started=str(told.get("started") or ""),
        seconds=told.get("seconds"),
        entries=tuple(_entry(folder, cell, metric, with_config) for cell in cells),
    )


def _entry(folder: Path, cell: Mapping[str, Any], metric: Metric | None, with_config: bool) -> Entry:
    values = {str(key): _scalar(value) for key, value in (cell.get("values") or {}).items()}
    run = _run_of(folder, cell, with_config)
    state = str(cell.get("state") or "unknown")
    found = run or Entry(label=str(cell.get("identity") or cell.get("number") or "?"), state=state)
    scores = dict(found.scores)
    if metric is not None and isinstance(cell.get("value"), int | float) and state == "finished":
        scores.setdefault(metric.name, float(cell["value"]))
    best = found.best or ({"metric": metric.name, "value": cell.get("value")} if metric else {})
    return replace(
        found,
        state=state,
        settings={**found.settings, **values},
        identity=str(cell.get("identity") or found.identity),
        number=cell.get("number"),
        reason=str(cell.get("reason") or found.reason),
        words=tuple(map(str, cell.get("words") or found.words)),
        scores=scores,
        best=best,
        seconds=found.seconds if cell.get("seconds") is None else cell["seconds"],
    )


def _run_of(folder: Path, cell: Mapping[str, Any], with_config: bool) -> Entry | None:
    """The cell's run, if it has begun; its folder is told, or named by its identity."""
    told = [cell.get("folder"), cell.get("identity")]
    for name in filter(None, told):
        for path in (folder / str(name), folder.parent / str(name), folder / Path(str(name)).name):
            if (path / "run.json").is_file():
                return _readable(path, with_config)
    return None


def _readable(path: Path, with_config: bool) -> Entry | None:
    """Nothing, where the run's folder is only half there: the sweep's own word is enough then."""
    for _ in range(2):
        try:
            return read_run(path, with_config)
        except UserError:
            time.sleep(0.01)
    return None


def _scalar(value: Any) -> Any:
    """As Hydra would read it: 1e-3 and 0.001 are one value; a list or a mapping stays as it was typed."""
    if not isinstance(value, str):
        return value
    try:
        return float(value) if not value.lstrip("-").isdigit() else int(value)
    except ValueError:
        return value if value not in ("true", "false", "null") else yaml.safe_load(value)
