"""Learning curves and the parts of a run's time, from its journal; long ones are thinned before they are parsed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, final

from hone.reports.groups import Metric
from hone.reports.runs import Entry
from hone.runs.folder import Folder

Points = list[tuple[int, float]]


@final
@dataclass(frozen=True)
class Course:
    """What the journal says."""

    curves: dict[str, Points] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None
    """When the first and the last row were logged."""


def course(entry: Entry, names: Sequence[str], most: int) -> Course:
    """The curves of these numbers, at most so many points each; a journal that has not changed is not read again."""
    if entry.folder is None:
        return Course()
    path = Folder(entry.folder).journal
    try:
        stat = path.stat()
    except OSError:
        return Course()
    return _read(path, stat.st_mtime_ns, stat.st_size, tuple(names), most)


@lru_cache(maxsize=2048)
def _read(path: Path, changed: int, size: int, names: tuple[str, ...], most: int) -> Course:
    """`changed` and `size` are there for the cache."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    curves = {name: _curve(name, lines, most) for name in names}
    working = [line for line in lines if '"train/' in line or '"validation/' in line]
    ends = [_row(working[place]).get("time") for place in (0, -1)] if working else [None, None]
    return Course({name: points for name, points in curves.items() if points}, *ends)


def _curve(name: str, lines: Sequence[str], most: int) -> Points:
    having = [line for line in lines if f'"{name}":' in line]
    chosen = sorted({round(place * (len(having) - 1) / max(most - 1, 1)) for place in range(min(most, len(having)))})
    chosen = list(range(len(having))) if len(having) <= most else chosen
    rows = (_row(having[place]) for place in chosen)
    return [(int(row["step"]), rounded(row[name])) for row in rows if isinstance(row.get(name), int | float)]


def _row(line: str) -> dict[str, Any]:
    """A line that was cut off by a kill says nothing."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) and "step" in row else {}


def rounded(value: float) -> float:
    """As many digits as a screen can show."""
    return float(f"{value:.5g}")


def parts(entry: Entry, journal: Course) -> dict[str, float]:
    """Seconds until the first logged row, from there to the last, and from there to the end; of runs in one go."""
    moments = [_seconds(entry.started), journal.first, journal.last, _seconds(entry.finished)]
    known = [moment for moment in moments if moment is not None]
    if len(known) < len(moments) or not entry.seconds:
        return {}
    lengths = [max(after - before, 0.0) for before, after in pairwise(known)]
    found = dict(zip(("set-up", "training and evaluating", "final scores and saving"), lengths, strict=True))
    return found if abs(sum(lengths) - entry.seconds) <= 2 + 0.2 * entry.seconds else {}


def _seconds(stamp: str) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None


def best_so_far(entries: Sequence[Entry], metric: Metric, started: str) -> list[dict[str, Any]]:
    """For every run that has ended, in the order of their ends: the trial, the seconds since the start, its score and
    the best until then; one without a score has cost its time all the same."""
    ended = sorted((entry for entry in entries if entry.finished), key=lambda entry: entry.finished)
    begun = _moment(started) or min(filter(None, (_moment(entry.started) for entry in ended)), default=0.0)
    points: list[dict[str, Any]] = []
    best = math.nan
    for trial, entry in enumerate(ended, start=1):
        value = entry.value(metric.name) if entry.counts else math.nan
        best = _better(best, value, metric.higher_is_better)
        points.append(
            {
                "trial": trial,
                "seconds": max((_moment(entry.finished) or begun) - begun, 0.0),
                "value": value,
                "best": best,
                "run": entries.index(entry),
            }
        )
    return points


def _better(best: float, value: float, higher: bool) -> float:
    known = [each for each in (best, value) if not math.isnan(each)]
    return (max if higher else min)(known, default=math.nan)


def _moment(stamp: str) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None
