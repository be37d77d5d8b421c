"""What a sweep varies: an axis a key, each with the values that it may take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final


@dataclass(frozen=True)
class Axis(ABC):
    """A key of the config and what it may be."""

    key: str

    @property
    @abstractmethod
    def finite(self) -> bool:
        """Whether all values can be listed."""

    @property
    @abstractmethod
    def words(self) -> tuple[str, ...]:
        """The values, or the outermost of them, as overrides."""


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


@final
@dataclass(frozen=True)
class Interval(Axis):
    """Any number between two, evenly or in orders of magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def finite(self) -> bool:
        return False

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(f"{self.key}={bound:g}" for bound in (self.low, self.high))


@final
@dataclass(frozen=True)
class Space:
    """All axes; those that are tied change together, and a conditional one is there only where another has a value."""

    axes: tuple[Axis, ...]
    tied: tuple[tuple[str, ...], ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(axis.key for axis in self.axes)
