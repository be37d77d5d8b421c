"""Tables and charts as markdown, for a tracker that draws none."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from hone.tracking.charts import Bars, Chart, Matrix

_WIDEST_GRID = 32


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A row a line; what is in a cell stays in it."""
    head, *lines = [f"| {' | '.join(map(_cell, row))} |" for row in (columns, *rows)]
    return "\n".join([head, "|---" * len(columns) + "|", *lines])


def drawn(chart: Chart) -> str:
    """Classes against classes as a grid, names with bars behind their numbers."""
    if isinstance(chart, Matrix) and len(chart.names) <= _WIDEST_GRID:
        rows = [[name, *counts] for name, counts in zip(chart.names, chart.counts, strict=True)]
        return table(["true ↓ predicted →", *chart.names], rows)
    if isinstance(chart, Bars):
        most = max([*chart.values, 1e-12])
        rows = [[name, value, "█" * round(20 * value / most)] for name, value in chart.rows]
        return table([*chart.columns, ""], rows)
    return table(chart.columns, chart.rows)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return html.escape("" if value is None else str(value), quote=False).replace("|", "&#124;").replace("\n", "<br>")
