"""How much of the differences between scores goes along with a key alone.

For each key the runs are sorted into the key's values; the share is the variance between them, of all variance, less
what as many random heaps would explain (epsilon squared). Keys are looked at one by one: what only two of them together
do is in none of their shares.
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
    """A key, its share, and into how many heaps the runs were sorted; `binned` where neighbouring numbers share one."""

    key: str
    share: float
    levels: int
    binned: bool


def importances(entries: Sequence[RunEntry], keys: Sequence[str], metric: str) -> list[Importance]:
    """The weightiest first; runs that are not finished, or have no score, do not count."""
    counted = [entry for entry in entries if entry.counts and not math.isnan(entry.value(metric))]
    scores = [entry.value(metric) for entry in counted]
    found = (_importance(key, [entry.settings.get(key) for entry in counted], scores) for key in keys)
    return sorted(filter(None, found), key=lambda each: -each.share)


def _importance(key: str, values: Sequence[object], scores: Sequence[float]) -> Importance | None:
    """Nothing where each run has a value of its own, or all have the same."""
    heaps, binned = _heaps(values)
    levels, count = len(set(heaps)), len(heaps)
    if levels < 2 or levels >= count:
        return None
    between, total = _variation(heaps, scores)
    if total <= 0:
        return None
    share = 1 - (1 - between / total) * (count - 1) / (count - levels)
    return Importance(key, min(max(share, 0.0), 1.0), levels, binned)


def _heaps(values: Sequence[object]) -> tuple[list[object], bool]:
    """By value; numbers with hardly a repetition by quarters."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [str(value) for value in values], False
    distinct = sorted(set(values))  # type: ignore[type-var]  # they are all numbers here
    if len(distinct) <= max(_BINS, len(values) // 3):
        return list(values), False
    rank = {value: place * _BINS // len(distinct) for place, value in enumerate(distinct)}
    return [rank[value] for value in values], True


def _variation(heaps: Sequence[object], scores: Sequence[float]) -> tuple[float, float]:
    """The sums of squares between the heaps and of all."""
    mean = math.fsum(scores) / len(scores)
    piles: dict[object, list[float]] = {}
    for heap, score in zip(heaps, scores, strict=True):
        piles.setdefault(heap, []).append(score)
    between = math.fsum(len(pile) * (math.fsum(pile) / len(pile) - mean) ** 2 for pile in piles.values())
    return between, math.fsum((score - mean) ** 2 for score in scores)
