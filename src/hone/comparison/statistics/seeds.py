"""Two configurations over their seeds: is the difference of their means more than the seeds' noise?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

from hone.comparison.statistics.student import quantile, two_sided
from hone.comparison.statistics.summary import deviation

Seeds = Mapping[str, float]
"""The score of each seed."""

_LEVEL = 0.05
_POWER = 0.8
_MOST_SEEDS = 1000


@final
@dataclass(frozen=True)
class SeedTest:
    """The difference of the means, how it was tested, and how many seeds each would show a difference of this size."""

    kind: Literal["paired", "welch", "none"]
    count: int
    difference: float
    p: float | None
    needed: int | None


def compare_seeds(ours: Seeds, theirs: Seeds) -> SeedTest:
    """Paired by the seeds that both have; by Welch's test where fewer than two are common; of one seed nothing is known."""
    common = [seed for seed in ours if seed in theirs]
    if len(common) >= 2:
        return _paired([ours[seed] - theirs[seed] for seed in common])
    first, second = list(ours.values()), list(theirs.values())
    difference = math.fsum(first) / len(first) - math.fsum(second) / len(second)
    count = min(len(first), len(second))
    return _welch(first, second) if count >= 2 else SeedTest("none", count, difference, None, None)


def _paired(differences: Sequence[float]) -> SeedTest:
    count, spread = len(differences), deviation(differences)
    mean = math.fsum(differences) / count
    scale = max(map(abs, differences))
    if spread <= 1e-12 * scale or scale == 0:  # equal differences: as many coins that fell alike
        return SeedTest("paired", count, mean, 2.0 ** (1 - count) if scale else 1.0, seeds_needed(mean, 0.0))
    p = two_sided(mean / (spread / math.sqrt(count)), count - 1)
    return SeedTest("paired", count, mean, p, seeds_needed(mean, spread))


def _welch(ours: Sequence[float], theirs: Sequence[float]) -> SeedTest:
    difference = math.fsum(ours) / len(ours) - math.fsum(theirs) / len(theirs)
    parts = [deviation(values) ** 2 / len(values) for values in (ours, theirs)]
    count, spread = min(len(ours), len(theirs)), math.hypot(deviation(ours), deviation(theirs))
    if sum(parts) == 0:
        return SeedTest("welch", count, difference, 2.0 ** (1 - count) if difference else 1.0, None)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (ours, theirs), strict=True)
    )
    p = two_sided(difference / math.sqrt(sum(parts)), freedom)
    return SeedTest("welch", count, difference, p, seeds_needed(difference, spread))


def seeds_needed(difference: float, spread: float, level: float = _LEVEL) -> int | None:
    """The pairs with which a true difference of this size is seen in four of five cases; None: more than a thousand."""
    if difference == 0:
        return None
    for count in range(2, _MOST_SEEDS + 1):
        reach = quantile(1 - level / 2, count - 1) + quantile(_POWER, count - 1)
        if reach * spread <= abs(difference) * math.sqrt(count):
            return count
    return None


def holm(values: Sequence[float | None], asked: int | None = None) -> list[float | None]:
    """The p values of several questions at once, by Holm's step-down rule; `asked` where more were asked than answered."""
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    total, highest = max(asked or 0, len(known)), 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (total - rank) * value))
        adjusted[place] = highest
    return adjusted
