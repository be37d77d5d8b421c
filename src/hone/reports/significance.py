"""Student's t distribution, by the incomplete beta function."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, final

_TINY = 1e-300
_ENOUGH = 1e-15


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, as a continued fraction on the side where that is quick."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / a / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction's denominator, by Lentz's method."""
    value, upper, lower = 1.0, 1.0, 0.0
    for step in range(1, 500):
        half, odd = divmod(step, 2)
        place = a + 2 * half
        if odd:
            term = -(a + half) * (a + b + half) * x / (place * (place + 1))
        else:
            term = half * (b - half) * x / ((place - 1) * place)
        lower = 1 / (1 + term * lower or _TINY)
        upper = 1 + term / upper or _TINY
        value *= upper * lower
        if abs(upper * lower - 1) < _ENOUGH:
            break
    return value


def two_sided_p(t: float, freedom: float) -> float:
    """How often chance alone is at least as far from zero."""
    if not math.isfinite(t):
        return 0.0
    if t * t < freedom:  # the share inside, for the one outside is close to 1
        return 1 - incomplete_beta(0.5, freedom / 2, t * t / (freedom + t * t))
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


@lru_cache(maxsize=4096)
def t_quantile(share: float, freedom: float) -> float:
    """The t below which this share of the distribution lies, by bisection."""
    if share < 0.5:
        return -t_quantile(1 - share, freedom)
    low, high = 0.0, 1.0
    while 1 - two_sided_p(high, freedom) / 2 < share and high < 1e150:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - two_sided_p(middle, freedom) / 2 < share else (low, middle)
    return (low + high) / 2


_CONFIDENCE = 0.95


@final
@dataclass(frozen=True)
class Summary:
    """Mean, sample deviation and the 95 % interval of the mean; of a single value nobody knows the spread."""

    values: tuple[float, ...]
    higher_is_better: bool

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        return mean(self.values)

    @property
    def deviation(self) -> float:
        return deviation(self.values)

    @property
    def margin(self) -> float:
        """Half the interval's width."""
        if self.count < 2:
            return math.nan
        return t_quantile((1 + _CONFIDENCE) / 2, self.count - 1) * self.deviation / math.sqrt(self.count)

    @property
    def best(self) -> float:
        return (max if self.higher_is_better else min)(self.values, default=math.nan)

    @property
    def worst(self) -> float:
        return (min if self.higher_is_better else max)(self.values, default=math.nan)


def mean(values: Sequence[float]) -> float:
    """Not a number, where there are no values."""
    return math.fsum(values) / len(values) if values else math.nan


def deviation(values: Sequence[float]) -> float:
    """The sample standard deviation; of a single value nobody knows it."""
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


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
    return two_sided_p(difference / error, freedom)


def seeds_needed(difference: float, spread: float, level: float = _LEVEL) -> int | None:
    """The pairs with which a true difference of this size is seen in four of five cases; None: more than a thousand."""
    if difference == 0 or math.isnan(spread):
        return None
    place = bisect_left(
        range(2, _MOST_SEEDS + 1), True, key=lambda count: _shows(difference / (spread or _TINY), count, level)
    )
    return place + 2 if place + 2 <= _MOST_SEEDS else None


def _shows(effect: float, count: int, level: float) -> bool:
    reach = t_quantile(1 - level / 2, count - 1) + t_quantile(_POWER, count - 1)
    return abs(effect) * math.sqrt(count) >= reach


def correct_by_holm(values: Sequence[float | None], asked: int | None = None) -> list[float | None]:
    """The p values of several questions at once, by Holm's rule; `asked` where more were asked than are answered."""
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    total, highest = max(asked or 0, len(known)), 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (total - rank) * value))
        adjusted[place] = highest
    return adjusted
