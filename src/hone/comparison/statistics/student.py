"""Student's t distribution, by the incomplete beta function."""

from __future__ import annotations

import math
from functools import lru_cache

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


def two_sided(t: float, freedom: float) -> float:
    """How often chance alone is at least as far from zero."""
    if not math.isfinite(t):
        return 0.0
    if t * t < freedom:  # the share inside, for the one outside is close to 1
        return 1 - incomplete_beta(0.5, freedom / 2, t * t / (freedom + t * t))
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


@lru_cache(maxsize=4096)
def quantile(share: float, freedom: float) -> float:
    """The t below which this share of the distribution lies, by bisection."""
    if share < 0.5:
        return -quantile(1 - share, freedom)
    low, high = 0.0, 1.0
    while 1 - two_sided(high, freedom) / 2 < share and high < 1e150:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - two_sided(middle, freedom) / 2 < share else (low, middle)
    return (low + high) / 2
