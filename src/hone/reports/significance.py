"""The statistics of scores over seeds: summaries, tests of differences, and Student's t distribution."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, final

Seeds = Mapping[str, float]
"""The score of each seed."""

_CONFIDENCE = 0.95
_LEVEL = 0.05
_POWER = 0.8
_MOST_SEEDS = 1000
_TINY = 1e-300
"""Stands for zero in a denominator."""
_PRECISION = 1e-15


@final
@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation and 95 % interval of the mean. The spread of a single value is NaN."""

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
        """Half the width of the interval."""
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
    """Return the mean, NaN without values."""
    return math.fsum(values) / len(values) if values else math.nan


def deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation, NaN with fewer than two values."""
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


@final
@dataclass(frozen=True)
class SeedTest:
    """The difference of two means and the test of it."""

    kind: Literal["paired", "welch", "none"]
    count: int
    """The number of pairs, or of the seeds of the configuration that has fewer."""
    difference: float
    spread: float = math.nan
    """The standard deviation of the difference of a single pair."""
    p: float | None = None


def compare_seeds(ours: Seeds, theirs: Seeds) -> SeedTest:
    """Test the difference of two configurations, paired by common seeds, or by Welch's test if there are fewer than two
    of those. A configuration with a single seed cannot be tested."""
    common = [seed for seed in ours if seed in theirs]
    if len(common) >= 2:
        return _paired_test([ours[seed] - theirs[seed] for seed in common])
    first, second = list(ours.values()), list(theirs.values())
    if min(len(first), len(second)) >= 2:
        return _welch_test(first, second)
    return SeedTest("none", min(len(first), len(second)), mean(first) - mean(second))


def _paired_test(differences: Sequence[float]) -> SeedTest:
    count, spread, middle = len(differences), deviation(differences), mean(differences)
    error = spread / math.sqrt(count)
    return SeedTest("paired", count, middle, spread, _p_value(middle, error, count - 1, count))


def _welch_test(ours: Sequence[float], theirs: Sequence[float]) -> SeedTest:
    sides = (ours, theirs)
    variances = [deviation(side) ** 2 / len(side) for side in sides]  # of the means
    weights = [variance**2 / (len(side) - 1) for variance, side in zip(variances, sides, strict=True)]
    freedom = sum(variances) ** 2 / sum(weights) if sum(weights) else 1.0  # Welch and Satterthwaite
    difference, count = mean(ours) - mean(theirs), min(map(len, sides))
    p = _p_value(difference, math.sqrt(sum(variances)), freedom, count)
    return SeedTest("welch", count, difference, math.hypot(*map(deviation, sides)), p)


def _p_value(difference: float, error: float, freedom: float, count: int) -> float:
    """Return the two-sided p-value. If the scores do not vary at all, t would be infinite; then the p-value is that of
    a sign test, in which all seeds agree."""
    if error <= 1e-12 * abs(difference):
        return 2.0 ** (1 - count) if difference else 1.0
    return two_sided_p(difference / error, freedom)


def seeds_needed(difference: float, spread: float, level: float = _LEVEL) -> int | None:
    """Return the number of pairs that show a true difference of this size in four of five cases, None if it is more
    than a thousand."""
    if difference == 0 or math.isnan(spread):
        return None
    effect = difference / (spread or _TINY)
    counts = range(2, _MOST_SEEDS + 1)
    # The condition is false up to some count and true from there on, so bisection finds that count.
    place = bisect_left(counts, True, key=lambda count: _shows(effect, count, level))
    return counts[place] if place < len(counts) else None


def _shows(effect: float, count: int, level: float) -> bool:
    """Whether this number of pairs shows the effect with the power that is asked for."""
    threshold = t_quantile(1 - level / 2, count - 1) + t_quantile(_POWER, count - 1)
    return abs(effect) * math.sqrt(count) >= threshold


def correct_by_holm(values: Sequence[float | None], tests: int | None = None) -> list[float | None]:
    """Correct p-values for multiple tests by Holm's method. `tests` is the number of tests if it is larger than the
    number of p-values."""
    ordered = sorted((value, place) for place, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    total, highest = max(tests or 0, len(ordered)), 0.0
    for rank, (value, place) in enumerate(ordered):
        highest = max(highest, min(1.0, (total - rank) * value))  # never below that of a smaller p-value
        corrected[place] = highest
    return corrected


@lru_cache(maxsize=4096)
def t_quantile(share: float, freedom: float) -> float:
    """Return the t below which this share of the distribution lies, by bisection."""
    if share < 0.5:
        return -t_quantile(1 - share, freedom)
    low, high = 0.0, 1.0
    while 1 - two_sided_p(high, freedom) / 2 < share and high < 1e150:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if 1 - two_sided_p(middle, freedom) / 2 < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def two_sided_p(t: float, freedom: float) -> float:
    """Return the probability that chance alone is at least as far from zero as t."""
    if not math.isfinite(t):
        return 0.0
    if t * t < freedom:  # the probability is close to 1: its complement is more precise
        return 1 - incomplete_beta(0.5, freedom / 2, t * t / (freedom + t * t))
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Compute the regularised incomplete beta function, on the side where its continued fraction converges quickly."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / a / _continued_fraction(a, b, x)


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Compute the denominator of the continued fraction by Lentz's method."""
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
        if abs(upper * lower - 1) < _PRECISION:
            break
    return value
