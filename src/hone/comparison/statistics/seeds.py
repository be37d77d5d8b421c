"""Two configurations over their seeds: is the difference of their means more than the seeds' noise?"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

from hone.comparison.statistics.student import quantile, two_sided
from hone.comparison.statistics.summary import deviation, mean

Seeds = Mapping[str, float]
"""The score of each seed."""

_LEVEL = 0.05
_POWER = 0.8
_MOST_SEEDS = 1000
_TINY = 1e-300


@final
@dataclass(frozen=True)
class SeedTest:
    """The difference of the means, how it was tested, and how much single differences vary."""

    kind: Literal["paired", "welch", "none"]
    count: int
    difference: float
    spread: float = math.nan
    p: float | None = None


def compare_seeds(ours: Seeds, theirs: Seeds) -> SeedTest:
    """Paired by the seeds that both have, by Welch's test where fewer than two are; a single seed tells nothing."""
    common = [seed for seed in ours if seed in theirs]
    if len(common) >= 2:
        return _paired([ours[seed] - theirs[seed] for seed in common])
    first, second = list(ours.values()), list(theirs.values())
    if min(len(first), len(second)) >= 2:
        return _welch(first, second)
    return SeedTest("none", min(len(first), len(second)), mean(first) - mean(second))


def _paired(differences: Sequence[float]) -> SeedTest:
    count, spread, middle = len(differences), deviation(differences), mean(differences)
    error = spread / math.sqrt(count)
    return SeedTest("paired", count, middle, spread, _chance(middle, error, count - 1, count))


def _welch(ours: Sequence[float], theirs: Sequence[float]) -> SeedTest:
    sides = (ours, theirs)
    parts = [deviation(side) ** 2 / len(side) for side in sides]
    weights = [part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True)]
    freedom = sum(parts) ** 2 / sum(weights) if sum(weights) else 1.0
    difference, count = mean(ours) - mean(theirs), min(map(len, sides))
    p = _chance(difference, math.sqrt(sum(parts)), freedom, count)
    return SeedTest("welch", count, difference, math.hypot(*map(deviation, sides)), p)


def _chance(difference: float, error: float, freedom: float, count: int) -> float:
    """Where nothing varies at all, as many coins as there are seeds have fallen alike: no t would be believed."""
    if error <= 1e-12 * abs(difference):
        return 2.0 ** (1 - count) if difference else 1.0
    return two_sided(difference / error, freedom)


def seeds_needed(difference: float, spread: float, level: float = _LEVEL) -> int | None:
    """The pairs with which a true difference of this size is seen in four of five cases; None: more than a thousand."""
    if difference == 0 or math.isnan(spread):
        return None
    place = bisect_left(
        range(2, _MOST_SEEDS + 1), True, key=lambda count: _shows(difference / (spread or _TINY), count, level)
    )
    return place + 2 if place + 2 <= _MOST_SEEDS else None


def _shows(effect: float, count: int, level: float) -> bool:
    reach = quantile(1 - level / 2, count - 1) + quantile(_POWER, count - 1)
    return abs(effect) * math.sqrt(count) >= reach


def holm(values: Sequence[float | None], asked: int | None = None) -> list[float | None]:
    """The p values of several questions at once, by Holm's rule; `asked` where more were asked than are answered."""
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    total, highest = max(asked or 0, len(known)), 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (total - rank) * value))
        adjusted[place] = highest
    return adjusted
