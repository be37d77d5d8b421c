"""What a tracker shows besides numbers: the content, and the content as markdown for a tracker that draws no charts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

from hone.core.foreign_text import for_markdown

if TYPE_CHECKING:  # it would load torch
    from hone.core.task import MediaKind

Row = Sequence[Any]

_WIDEST_GRID = 32
"""The number of classes up to which a confusion matrix is drawn as a grid. A larger one is a list of its cells."""


class Exhibit(ABC):
    """A table, numbers that a chart shows better, or pictures, sounds and animations."""

    @abstractmethod
    def table(self) -> Table:
        """Return the same content as a table."""


@final
@dataclass(frozen=True)
class Table(Exhibit):
    """Rows with named columns."""

    columns: Sequence[str]
    rows: Sequence[Row]

    def table(self) -> Table:
        return self


@final
@dataclass(frozen=True)
class Bars(Exhibit):
    """One number per name."""

    names: Sequence[str]
    values: Sequence[float]

    def table(self) -> Table:
        return Table(("name", "value"), list(zip(self.names, self.values, strict=True)))


@final
@dataclass(frozen=True)
class Histogram(Exhibit):
    """The number of values between each edge and the next."""

    counts: Sequence[int]
    edges: Sequence[float]

    def table(self) -> Table:
        return Table(("from", "below", "count"), list(zip(self.edges, self.edges[1:], self.counts, strict=False)))


@final
@dataclass(frozen=True)
class Matrix(Exhibit):
    """How often each true class was predicted as each class."""

    names: Sequence[str]
    counts: Sequence[Sequence[int]]

    most: ClassVar[int] = 1000
    """The largest number of cells in the table. If there are more, the empty and then the smallest are left out."""

    def table(self) -> Table:
        cells = [
            (true, predicted, count)
            for true, line in zip(self.names, self.counts, strict=True)
            for predicted, count in zip(self.names, line, strict=True)
        ]
        if len(cells) > self.most:
            cells = sorted((cell for cell in cells if cell[2]), key=lambda cell: -cell[2])[: self.most]
        return Table(("true", "predicted", "count"), cells)


@final
@dataclass(frozen=True)
class Files(Exhibit):
    """Pictures, sounds or animations of some examples: files of the run's folder, with a caption for each."""

    kind: MediaKind
    names: Sequence[str]
    """Paths that begin at the run's folder."""
    captions: Sequence[str]

    def table(self) -> Table:
        return Table(("file", "caption"), list(zip(self.names, self.captions, strict=True)))

    def first(self, count: int) -> Files:
        """Return the first files alone."""
        return Files(self.kind, self.names[:count], self.captions[:count])


def as_markdown(exhibit: Exhibit) -> str:
    """Draw a confusion matrix as a grid and bars as blocks; anything else is a plain table."""
    if isinstance(exhibit, Matrix) and len(exhibit.names) <= _WIDEST_GRID:
        rows = [[name, *counts] for name, counts in zip(exhibit.names, exhibit.counts, strict=True)]
        return _markdown_table(Table(["true ↓ predicted →", *exhibit.names], rows))
    if isinstance(exhibit, Bars):
        most = max([*exhibit.values, 1e-12])  # not 0, for the division
        plain = exhibit.table()
        bars = [[name, value, "█" * round(20 * value / most)] for name, value in plain.rows]
        return _markdown_table(Table([*plain.columns, ""], bars))
    return _markdown_table(exhibit.table())


def _markdown_table(table: Table) -> str:
    """Write one line per row. The content of a cell is escaped, so that it cannot break the table."""
    head, *lines = [f"| {' | '.join(map(_cell, row))} |" for row in (table.columns, *table.rows)]
    return "\n".join([head, "|---" * len(table.columns) + "|", *lines])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return for_markdown("" if value is None else str(value), newline="<br>")
