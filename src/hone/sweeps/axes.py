"""The keys that a sweep varies, and what each of them may be."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final


@dataclass(frozen=True)
class Axis(ABC):
    """A key, as it is written in an override (perhaps with a +), and its values."""

    key: str

    @property
    def name(self) -> str:
        """The key alone."""
        return self.key.lstrip("+~")

    @property
    @abstractmethod
    def finite(self) -> bool:
        """Whether all values can be listed."""

    @property
    @abstractmethod
    def words(self) -> tuple[str, ...]:
        """The values, or the outermost of them, as overrides."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What the values are, in Hydra's grammar."""


@final
@dataclass(frozen=True)
class Choice(Axis):
    """One of some values, each as it is written in an override."""

    values: tuple[str, ...]

    @property
    def finite(self) -> bool:
        return True

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(f"{self.key}={value}" for value in self.values)

    @property
    def text(self) -> str:
        return ",".join(self.values)


@final
@dataclass(frozen=True)
class Interval(Axis):
    """Any number between two (both of them too), evenly or in orders of magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def finite(self) -> bool:
        return False

    @property
    def words(self) -> tuple[str, ...]:
        return self.word(0.0), self.word(1.0)

    @property
    def text(self) -> str:
        inside = f"interval({self.low:g}, {self.high:g})"
        inside = f"int({inside})" if self.whole else inside
        return f"tag(log, {inside})" if self.log else inside

    def word(self, share: float) -> str:
        """The override for a place between 0 and 1; whole numbers have equal parts of it."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        return self.written(value)

    def written(self, value: float) -> str:
        """As people would write it, and never outside."""
        kept = min(max(round(value) if self.whole else float(f"{value:.6g}"), self.low), self.high)
        return f"{self.key}={int(kept) if self.whole else f'{kept:.10g}'}"
