"""Read `sweep.json`: the cells of a sweep and how far each of them got."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import yaml

from hone.core.errors import UserError
from hone.reports.groups import RankingMetric
from hone.reports.runs import RunEntry, read_run
from hone.runs.sweep_file import SWEEP_FILE as SWEEP
from hone.runs.sweep_file import read_sweep_file


@final
@dataclass(frozen=True)
class StoredSweep:
    """The content of `sweep.json`, with the runs of its cells."""

    folder: Path
    name: str
    command: str
    keys: tuple[str, ...]
    sampler: str
    metric: RankingMetric | None
    state: str
    started: str
    seconds: float | None
    entries: tuple[RunEntry, ...]
    damage: tuple[str, ...]
    """What is wrong with files of its runs."""


def read_sweep(folder: Path) -> StoredSweep:
    """Read the sweep and its cells. A cell that has a run has the run's scores, config and times."""
    stored = read_sweep_file(folder / SWEEP)
    damage: list[str] = []
    metric = None
    if stored.get("metric"):
        metric = RankingMetric(str(stored["metric"]), bool(stored.get("higher_is_better", True)))
    cells = [cell for cell in stored.get("cells") or () if isinstance(cell, dict)]
    return StoredSweep(
        folder=folder,
        name=str(stored.get("name") or folder.name),
        command=str(stored.get("command") or ""),
        keys=tuple(map(str, stored.get("keys") or ())),
        sampler=str(stored.get("sampler") or ""),
        metric=metric,
        state=str(stored.get("state") or "unknown"),
        started=str(stored.get("started") or ""),
        seconds=stored.get("seconds"),
        entries=tuple(_entry(folder, cell, metric, damage) for cell in cells),
        damage=tuple(damage),
    )


def _entry(folder: Path, cell: Mapping[str, Any], metric: RankingMetric | None, damage: list[str]) -> RunEntry:
    """Read the run of a cell. Where both have a value, the sweep's record of the cell wins over the run's own. If the
    run cannot be read, that goes into `damage`."""
    state = str(cell.get("state") or "unknown")
    label = str(cell.get("identity") or cell.get("number") or "?")
    run = _run_of(folder, cell, damage) or RunEntry(label=label, state=state)
    values = {str(key): _scalar(value) for key, value in (cell.get("values") or {}).items()}
    best = run.best
    if not best and metric is not None:
        best = {"metric": metric.name, "value": cell.get("value")}
    return replace(
        run,
        state=state,
        settings={**run.settings, **values},
        identity=str(cell.get("identity") or run.identity),
        number=cell.get("number"),
        reason=str(cell.get("reason") or run.reason),
        words=tuple(map(str, cell.get("words") or run.words)),
        scores=_scores(run, cell, metric),
        best=best,
        seconds=run.seconds if cell.get("seconds") is None else cell["seconds"],
    )


def _scores(run: RunEntry, cell: Mapping[str, Any], metric: RankingMetric | None) -> dict[str, float]:
    """Return the run's scores. If the run's folder is gone, the sweep still has the value of its own metric."""
    scores = dict(run.scores)
    value = cell.get("value")
    if metric is not None and isinstance(value, int | float) and cell.get("state") == "finished":
        scores.setdefault(metric.name, float(value))
    return scores


def _run_of(folder: Path, cell: Mapping[str, Any], damage: list[str]) -> RunEntry | None:
    """Find the run of a cell that has started. The cell names the run's folder, or else its identity does."""
    for name in filter(None, (cell.get("folder"), cell.get("identity"))):
        for path in (folder / str(name), folder.parent / str(name), folder / Path(str(name)).name):
            began = (path / "config.yaml").exists() and cell.get("state") not in ("running", "waiting")
            if began or (path / "run.json").exists():
                return _read(path, damage)
    return None


def _read(path: Path, damage: list[str]) -> RunEntry | None:
    """Try twice, since the run may be writing its files right now. Without them the sweep's own record is enough."""
    problem = ""
    for _ in range(2):
        try:
            return read_run(path)
        except UserError as error:
            problem = str(error)
            time.sleep(0.01)
    damage.append(f"{problem} What follows is the sweep's own record of that run.")
    return None


def _scalar(value: Any) -> Any:
    """Read a value as Hydra does: 1e-3 and 0.001 are the same. A list or a mapping stays text."""
    if not isinstance(value, str):
        return value
    if value in ("true", "false", "null"):
        return yaml.safe_load(value)
    try:
        return int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError:
        return value
