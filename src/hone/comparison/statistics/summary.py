"""What several values of one thing come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from hone.comparison.statistics.student import quantile

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
        return quantile((1 + _CONFIDENCE) / 2, self.count - 1) * self.deviation / math.sqrt(self.count)

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
