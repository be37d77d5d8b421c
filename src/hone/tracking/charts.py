"""Pictures that a tracker may draw: what is in them, not how they look. Each can also be read as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

Row = list[Any]


class Chart(ABC):
    """Numbers that are better looked at than read."""

    columns: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def rows(self) -> list[Row]:
        """The same as rows under the `columns`."""


@final
@dataclass(frozen=True)
class Bars(Chart):
    """A number for each name."""

    names: Sequence[str]
    values: Sequence[float]

    columns: ClassVar[tuple[str, ...]] = ("name", "value")

    @property
    def rows(self) -> list[Row]:
        return [[name, value] for name, value in zip(self.names, self.values, strict=True)]


@final
@dataclass(frozen=True)
class Histogram(Chart):
    """How many values lie between an edge and the next."""

    counts: Sequence[int]
    edges: Sequence[float]

    columns: ClassVar[tuple[str, ...]] = ("from", "below", "count")

    @property
    def rows(self) -> list[Row]:
        return [list(row) for row in zip(self.edges, self.edges[1:], self.counts, strict=False)]


@final
@dataclass(frozen=True)
class Matrix(Chart):
    """How often each true class was taken for each class."""

    names: Sequence[str]
    counts: Sequence[Sequence[int]]

    columns: ClassVar[tuple[str, ...]] = ("true", "predicted", "count")
    most: ClassVar[int] = 1000
    """Cells; where there are more, the empty ones and then the smallest are left out."""

    @property
    def rows(self) -> list[Row]:
        cells: list[Row] = [
            [true, predicted, count]
            for true, line in zip(self.names, self.counts, strict=True)
            for predicted, count in zip(self.names, line, strict=True)
        ]
        if len(cells) <= self.most:
            return cells
        return sorted((cell for cell in cells if cell[2]), key=lambda cell: -cell[2])[: self.most]
