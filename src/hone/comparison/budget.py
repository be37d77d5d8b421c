"""The best score so far, against the trials and the time that it took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hone.comparison.groups import Metric
from hone.comparison.runs import Entry


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
