"""What a sweep varies: its axes, which of them change together, and which are there only at times."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, final


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


_FEW = 64


class Dimension(ABC):
    """What is chosen at once: an axis, or several that are tied."""

    axes: tuple[Axis, ...]

    @property
    def name(self) -> str:
        return "+".join(axis.name for axis in self.axes)

    @property
    def names(self) -> set[str]:
        return {axis.name for axis in self.axes}

    @property
    @abstractmethod
    def outermost(self) -> tuple[tuple[str, ...], ...]:
        """The overrides of every choice, or of the two ends."""

    @abstractmethod
    def at(self, share: float) -> tuple[str, ...]:
        """The overrides at a place from 0 up to 1."""


@final
@dataclass(frozen=True)
class ChoiceDimension(Dimension):
    """One of some; tied axes go through their values together."""

    axes: tuple[Choice, ...]

    @cached_property
    def outermost(self) -> tuple[tuple[str, ...], ...]:
        return tuple(zip(*(axis.words for axis in self.axes), strict=True))

    def at(self, share: float) -> tuple[str, ...]:
        return self.outermost[min(int(share * len(self.outermost)), len(self.outermost) - 1)]


@final
@dataclass(frozen=True)
class IntervalDimension(Dimension):
    """Anywhere on an interval."""

    axes: tuple[Interval]

    @property
    def axis(self) -> Interval:
        return self.axes[0]

    @property
    def outermost(self) -> tuple[tuple[str, ...], ...]:
        return tuple((word,) for word in self.axis.words)

    def at(self, share: float) -> tuple[str, ...]:
        return (self.axis.word(share),)


@final
@dataclass(frozen=True)
class Condition:
    """An axis is there only where another one has one of these values."""

    name: str
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.name}={','.join(self.values)}"


@final
@dataclass(frozen=True)
class Space:
    """All axes; `tied` and `conditions` speak of them by their names."""

    axes: tuple[Axis, ...]
    tied: tuple[tuple[str, ...], ...] = ()
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    """The overrides that all cells share."""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(axis.key for axis in self.axes)

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """In the order of the axes; tied ones are where the first of them is."""
        together = {name: names for names in self.tied for name in names}
        bundles = dict.fromkeys(together.get(axis.name, (axis.name,)) for axis in self.axes)
        return tuple(self._dimension(names) for names in bundles)

    def _dimension(self, names: tuple[str, ...]) -> Dimension:
        axes = [axis for name in names for axis in self.axes if axis.name == name]
        if isinstance(axes[0], Interval):
            return IntervalDimension((axes[0],))
        return ChoiceDimension(tuple(axis for axis in axes if isinstance(axis, Choice)))

    def at(self, shares: Iterable[float]) -> tuple[str, ...]:
        """The cell at a point whose coordinates go from 0 up to 1."""
        parts = [dimension.at(share) for dimension, share in zip(self.dimensions, shares, strict=True)]
        return self.active_words(word for part in parts for word in part)

    def active_words(self, words: Iterable[str]) -> tuple[str, ...]:
        """The overrides without those of axes that are not there."""
        chosen = {word.partition("=")[0].lstrip("+~"): word for word in words}
        return tuple(word for name, word in chosen.items() if self.is_active(name, chosen))

    def is_active(self, name: str, chosen: Mapping[str, str]) -> bool:
        """Whether an axis is there, when these overrides (by name) have been chosen."""
        condition = self.conditions.get(name)
        if condition is None:
            return True
        value = chosen.get(condition.name, "").partition("=")[2]
        return value in condition.values and self.is_active(condition.name, chosen)

    def depth(self, dimension: Dimension) -> int:
        """How many conditions a dimension waits for."""
        return max(map(self._waits, dimension.names))

    def _waits(self, name: str) -> int:
        return 1 + self._waits(self.conditions[name].name) if name in self.conditions else 0

    def combinations(self) -> Iterator[tuple[str, ...]]:
        """Every one of the choices (of an interval its two ends), none of them twice."""
        seen = set()
        for parts in product(*(dimension.outermost for dimension in self.dimensions)):
            words = self.active_words(word for part in parts for word in part)
            if words not in seen:
                seen.add(words)
                yield words

    def specimens(self) -> list[tuple[str, ...]]:
        """Cells that show all values: every combination where there are few, else one value changed at a time."""
        if math.prod(len(dimension.outermost) for dimension in self.dimensions) <= _FEW:
            return list(self.combinations())
        first = {dimension.name: dimension.outermost[0] for dimension in self.dimensions}
        shown = [first | {each.name: words} for each in self.dimensions for words in each.outermost]
        return list(dict.fromkeys(self.active_words(word for part in cell.values() for word in part) for cell in shown))

    def describe(self) -> dict[str, Any]:
        """To be told from another space."""
        return {
            "axes": {axis.name: axis.text for axis in self.axes},
            "tied": {"+".join(names): "together" for names in self.tied},
            "conditions": {name: condition.text for name, condition in self.conditions.items()},
        }
