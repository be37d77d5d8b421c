"""The importance of a key: how much of the variance of the scores it explains alone.

For each key the runs are grouped by the key's value. The importance is the variance between the groups as a share of
the total variance, less the share that as many random groups would explain (epsilon squared). Each key is examined
alone, so interactions of two keys are in neither share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from hone.reports.runs import RunEntry

_BINS = 4


@final
@dataclass(frozen=True)
class Importance:
    """A key, its share of the variance, and the number of groups of runs."""

    key: str
    share: float
    levels: int
    binned: bool
    """Whether neighbouring numbers share a group."""


def importances(entries: Sequence[RunEntry], keys: Sequence[str], metric: str) -> list[Importance]:
    """Compute the importance of each key, highest first, over the finished runs that have a score."""
    scored = [entry for entry in entries if entry.counts and not math.isnan(entry.value(metric))]
    scores = [entry.value(metric) for entry in scored]
    shares = (_importance(key, [entry.settings.get(key) for entry in scored], scores) for key in keys)
    return sorted((item for item in shares if item is not None), key=lambda item: -item.share)


def _importance(key: str, values: Sequence[object], scores: Sequence[float]) -> Importance | None:
    """Return None if every run has a value of its own, or if all have the same value."""
    labels, binned = _group_labels(values)
    levels, count = len(set(labels)), len(labels)
    if levels < 2 or levels >= count:
        return None
    between, total = _sums_of_squares(labels, scores)
    if total <= 0:
        return None
    share = 1 - (1 - between / total) * (count - 1) / (count - levels)
    return Importance(key, min(max(share, 0.0), 1.0), levels, binned)


def _group_labels(values: Sequence[object]) -> tuple[list[object], bool]:
    """Label each run with its group: the value, or the quarter of a number if numbers hardly repeat."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [str(value) for value in values], False
    distinct = sorted(set(values))  # type: ignore[type-var]  # they are all numbers here
    if len(distinct) <= max(_BINS, len(values) // 3):
        return list(values), False
    quarter = {value: place * _BINS // len(distinct) for place, value in enumerate(distinct)}
    return [quarter[value] for value in values], True


def _sums_of_squares(labels: Sequence[object], scores: Sequence[float]) -> tuple[float, float]:
    """Return the sum of squares between the groups and the total one."""
    mean = math.fsum(scores) / len(scores)
    groups: dict[object, list[float]] = {}
    for label, score in zip(labels, scores, strict=True):
        groups.setdefault(label, []).append(score)
    between = math.fsum(len(group) * (math.fsum(group) / len(group) - mean) ** 2 for group in groups.values())
    return between, math.fsum((score - mean) ** 2 for score in scores)
