"""What a tracker shows beside numbers: what is in it, not how it looks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

Row = Sequence[Any]


class Exhibit(ABC):
    """A table, or numbers that are better looked at than read."""

    @abstractmethod
    def table(self) -> Table:
        """The same to read."""


@final
@dataclass(frozen=True)
class Table(Exhibit):
    """Rows under the names of their columns."""

    columns: Sequence[str]
    rows: Sequence[Row]

    def table(self) -> Table:
        return self


@final
@dataclass(frozen=True)
class Bars(Exhibit):
    """A number for each name."""

    names: Sequence[str]
    values: Sequence[float]

    def table(self) -> Table:
        return Table(("name", "value"), list(zip(self.names, self.values, strict=True)))


@final
@dataclass(frozen=True)
class Histogram(Exhibit):
    """How many values lie between an edge and the next."""

    counts: Sequence[int]
    edges: Sequence[float]

    def table(self) -> Table:
        return Table(("from", "below", "count"), list(zip(self.edges, self.edges[1:], self.counts, strict=False)))


@final
@dataclass(frozen=True)
class Matrix(Exhibit):
    """How often each true class was taken for each class."""

    names: Sequence[str]
    counts: Sequence[Sequence[int]]

    most: ClassVar[int] = 1000
    """Cells; where there are more, the empty ones and then the smallest are left out."""

    def table(self) -> Table:
        cells = [
            (true, predicted, count)
            for true, line in zip(self.names, self.counts, strict=True)
            for predicted, count in zip(self.names, line, strict=True)
        ]
        if len(cells) > self.most:
            cells = sorted((cell for cell in cells if cell[2]), key=lambda cell: -cell[2])[: self.most]
        return Table(("true", "predicted", "count"), cells)
