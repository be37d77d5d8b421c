"""Learning curves from a run's journal, the parts of its time, and the best score of a sweep over time.

Journals can be long, so their lines are thinned before they are parsed.
"""

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

from hone.reports.groups import RankingMetric
from hone.reports.runs import RunEntry
from hone.runs.folder import Folder

Points = list[tuple[int, float]]

_TIME_PARTS = ("set-up", "training and evaluating", "final scores and saving")


@final
@dataclass(frozen=True)
class LearningCurves:
    """The curves of one run, and when the first and the last row of its training were logged."""

    curves: dict[str, Points] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None


def read_curves(entry: RunEntry, names: Sequence[str], limit: int) -> LearningCurves:
    """Read the curves of these numbers, with at most `limit` points each. An unchanged journal is read only once."""
    if entry.folder is None:
        return LearningCurves()
    path = Folder(entry.folder).journal
    try:
        stat = path.stat()
        return _parse_journal(path, stat.st_mtime_ns, stat.st_size, tuple(names), limit)
    except OSError:  # the notes of the comparison name the file
        return LearningCurves()


@lru_cache(maxsize=2048)
def _parse_journal(path: Path, changed: int, size: int, names: tuple[str, ...], limit: int) -> LearningCurves:
    """Parse a journal. `changed` and `size` are part of the cache's key."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    curves = {name: _thin_curve(name, lines, limit) for name in names}
    curves = {name: points for name, points in curves.items() if points}
    training = [line for line in lines if '"train/' in line or '"validation/' in line]
    if not training:
        return LearningCurves(curves)
    return LearningCurves(curves, _time_of(training[0]), _time_of(training[-1]))


def _time_of(line: str) -> float | None:
    moment = _parse_row(line).get("time")
    return float(moment) if isinstance(moment, int | float) else None


def _thin_curve(name: str, lines: Sequence[str], limit: int) -> Points:
    """Parse at most `limit` of the lines that have this number, evenly spaced, with the first and the last one."""
    having = [line for line in lines if f'"{name}":' in line]
    if len(having) > limit:
        places = {round(place * (len(having) - 1) / max(limit - 1, 1)) for place in range(limit)}
        having = [having[place] for place in sorted(places)]
    rows = map(_parse_row, having)
    return [(row["step"], round_for_page(row[name])) for row in rows if isinstance(row.get(name), int | float)]


def _parse_row(line: str) -> dict[str, Any]:
    """Parse a line. A line that is damaged, or was cut off when the run was killed, is an empty row."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else {}


def round_for_page(value: float) -> float:
    """Keep as many digits as a page can show."""
    return float(f"{value:.5g}")


def time_parts(entry: RunEntry, curves: LearningCurves) -> dict[str, float]:
    """Divide a run's time into the seconds until the first logged row, from there to the last row, and from there to
    the end. A run that was interrupted and resumed has no such parts."""
    moments = [_timestamp(entry.started), curves.first, curves.last, _timestamp(entry.finished)]
    complete = [moment for moment in moments if moment is not None]
    if len(complete) < len(moments) or not entry.seconds:
        return {}
    lengths = [max(after - before, 0.0) for before, after in pairwise(complete)]
    if abs(sum(lengths) - entry.seconds) > 2 + 0.2 * entry.seconds:  # the run paused between its start and its end
        return {}
    return dict(zip(_TIME_PARTS, lengths, strict=True))


def best_so_far(entries: Sequence[RunEntry], metric: RankingMetric, started: str) -> list[dict[str, Any]]:
    """List the runs that have ended, in the order of their ends: the trial, the seconds since the sweep's start, the
    score and the best score until then. A run without a score is listed too, since it took time."""
    ended = sorted((entry for entry in entries if entry.finished), key=lambda entry: entry.finished)
    starts = [moment for moment in (_timestamp(entry.started) for entry in ended) if moment]
    begin = _timestamp(started) or min(starts, default=0.0)
    points: list[dict[str, Any]] = []
    best = math.nan
    for trial, entry in enumerate(ended, start=1):
        value = entry.value(metric.name) if entry.counts else math.nan
        best = _better(best, value, metric.higher_is_better)
        points.append(
            {
                "trial": trial,
                "seconds": max((_timestamp(entry.finished) or begin) - begin, 0.0),
                "value": value,
                "best": best,
                "run": entries.index(entry),
            }
        )
    return points


def _better(best: float, value: float, higher_is_better: bool) -> float:
    scores = [score for score in (best, value) if not math.isnan(score)]
    return (max if higher_is_better else min)(scores, default=math.nan)


def _timestamp(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
