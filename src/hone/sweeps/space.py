"""The space of a sweep: its axes, which of them vary together, and which are active only under a condition.

An axis is one key with its values. A dimension is what is chosen at once: an axis, or several that are tied. A space
has all dimensions, and turns a choice in each of them into the words of a cell.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, final

_MOST_COMBINATIONS = 64
"""Up to this number of combinations, all of them are checked before a sweep starts."""


@dataclass(frozen=True)
class Axis(ABC):
    """A key, as it is written in an override (with a + if need be), and its values."""

    key: str

    @property
    def name(self) -> str:
        """The key without a sign."""
        return self.key.lstrip("+~")

    @property
    @abstractmethod
    def finite(self) -> bool:
        """Whether all values can be listed."""

    @property
    @abstractmethod
    def words(self) -> tuple[str, ...]:
        """The values as overrides; of an interval, its two ends."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The values, in Hydra's grammar."""


@final
@dataclass(frozen=True)
class Choice(Axis):
    """A list of values, each as it is written in an override."""

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
    """All numbers from `low` to `high`, spread evenly or by order of magnitude."""

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
        """Return the override for a point from 0 to 1. Each whole number gets an equal part of that."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        return self.written(value)

    def written(self, value: float) -> str:
        """Return the override for a value: rounded, and never outside the interval."""
        rounded = round(value) if self.whole else float(f"{value:.6g}")
        inside = min(max(rounded, self.low), self.high)
        return f"{self.key}={int(inside)}" if self.whole else f"{self.key}={inside:.10g}"


class Dimension(ABC):
    """An axis, or several that are tied, of which a value is chosen at once."""

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
        """The overrides of each choice; of an interval, of its two ends."""

    @abstractmethod
    def at(self, share: float) -> tuple[str, ...]:
        """Return the overrides for a point from 0 (included) to 1 (excluded)."""


@final
@dataclass(frozen=True)
class ChoiceDimension(Dimension):
    """A list of choices. Tied axes take their values together, first with first."""

    axes: tuple[Choice, ...]

    @cached_property
    def outermost(self) -> tuple[tuple[str, ...], ...]:
        return tuple(zip(*(axis.words for axis in self.axes), strict=True))

    def at(self, share: float) -> tuple[str, ...]:
        return self.outermost[min(int(share * len(self.outermost)), len(self.outermost) - 1)]


@final
@dataclass(frozen=True)
class IntervalDimension(Dimension):
    """Any point of one interval."""

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
    """An axis is active only when another axis has one of these values."""

    name: str
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.name}={','.join(self.values)}"


@final
@dataclass(frozen=True)
class Space:
    """All axes; `tied` and `conditions` refer to them by name."""

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
        """The dimensions in the order of the axes. Tied axes are where the first of them is."""
        group_of = {name: names for names in self.tied for name in names}
        groups = dict.fromkeys(group_of.get(axis.name, (axis.name,)) for axis in self.axes)  # each group once
        return tuple(self._dimension(names) for names in groups)

    def _dimension(self, names: tuple[str, ...]) -> Dimension:
        axes = [axis for name in names for axis in self.axes if axis.name == name]
        if isinstance(axes[0], Interval):
            return IntervalDimension((axes[0],))
        return ChoiceDimension(tuple(axis for axis in axes if isinstance(axis, Choice)))

    def at(self, shares: Iterable[float]) -> tuple[str, ...]:
        """Return the words of the cell at a point with one coordinate, from 0 to 1, per dimension."""
        parts = [dimension.at(share) for dimension, share in zip(self.dimensions, shares, strict=True)]
        return self.active_words(word for part in parts for word in part)

    def active_words(self, words: Iterable[str]) -> tuple[str, ...]:
        """Return the overrides without those of inactive axes."""
        chosen = {word.partition("=")[0].lstrip("+~"): word for word in words}
        return tuple(word for name, word in chosen.items() if self.is_active(name, chosen))

    def is_active(self, name: str, chosen: Mapping[str, str]) -> bool:
        """Whether an axis is active, given the overrides chosen so far, by name."""
        condition = self.conditions.get(name)
        if condition is None:
            return True
        value = chosen.get(condition.name, "").partition("=")[2]
        return value in condition.values and self.is_active(condition.name, chosen)

    def depth(self, dimension: Dimension) -> int:
        """Return the number of conditions, one after the other, on which a dimension depends."""
        return max(map(self._axis_depth, dimension.names))

    def _axis_depth(self, name: str) -> int:
        return 1 + self._axis_depth(self.conditions[name].name) if name in self.conditions else 0

    def combinations(self) -> Iterator[tuple[str, ...]]:
        """Yield every combination of the choices (of an interval, its two ends), each once.

        Combinations that differ only in an inactive axis are the same cell.
        """
        seen = set()
        for parts in product(*(dimension.outermost for dimension in self.dimensions)):
            words = self.active_words(word for part in parts for word in part)
            if words not in seen:
                seen.add(words)
                yield words

    def specimens(self) -> list[tuple[str, ...]]:
        """Return cells that show all values: every combination if they are few, else one changed value per cell."""
        if math.prod(len(dimension.outermost) for dimension in self.dimensions) <= _MOST_COMBINATIONS:
            return list(self.combinations())
        first = {dimension.name: dimension.outermost[0] for dimension in self.dimensions}
        cells = []
        for dimension in self.dimensions:
            for words in dimension.outermost:
                parts = (first | {dimension.name: words}).values()
                cells.append(self.active_words(word for part in parts for word in part))
        return list(dict.fromkeys(cells))

    def describe(self) -> dict[str, Any]:
        """Return a description in JSON values that differs from that of any other space."""
        return {
            "axes": {axis.name: axis.text for axis in self.axes},
            "tied": {"+".join(names): "together" for names in self.tied},
            "conditions": {name: condition.text for name, condition in self.conditions.items()},
        }
