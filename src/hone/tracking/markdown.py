"""Exhibits as markdown, for a tracker that draws none."""

from __future__ import annotations

import html
from typing import Any

from hone.tracking.exhibits import Bars, Exhibit, Matrix, Table

_WIDEST_GRID = 32


def drawn(exhibit: Exhibit) -> str:
    """Classes against classes as a grid, names with bars behind their numbers."""
    if isinstance(exhibit, Matrix) and len(exhibit.names) <= _WIDEST_GRID:
        rows = [[name, *counts] for name, counts in zip(exhibit.names, exhibit.counts, strict=True)]
        return _table(Table(["true ↓ predicted →", *exhibit.names], rows))
    if isinstance(exhibit, Bars):
        most, plain = max([*exhibit.values, 1e-12]), exhibit.table()
        bars = [[name, value, "█" * round(20 * value / most)] for name, value in plain.rows]
        return _table(Table([*plain.columns, ""], bars))
    return _table(exhibit.table())


def _table(table: Table) -> str:
    """A row a line; what is in a cell stays in it."""
    head, *lines = [f"| {' | '.join(map(_cell, row))} |" for row in (table.columns, *table.rows)]
    return "\n".join([head, "|---" * len(table.columns) + "|", *lines])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return html.escape("" if value is None else str(value), quote=False).replace("|", "&#124;").replace("\n", "<br>")
