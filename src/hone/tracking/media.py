"""What W&B shows beside numbers. It waits for the journal's next row, which has this number, and stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hone.tracking.base import Rows
from hone.tracking.charts import Bars, Chart, Histogram, Matrix

_PRESETS: Mapping[type[Chart], tuple[str, tuple[str, ...]]] = {
    Bars: ("wandb/bar/v0", ("label", "value")),
    Matrix: ("wandb/confusion_matrix/v1", ("Actual", "Predicted", "nPredictions")),
}
"""W&B's own drawings, and what they call the columns."""


def define_axes(run: Any) -> None:
    """Curves are drawn over our own steps, and can be over the others."""
    for axis in ("step", "epoch", "examples", "seconds", "time"):
        run.define_metric(axis, hidden=True)
    run.define_metric("*", step_metric="step", summary="none")


def log_table(run: Any, number: int | None, name: str, columns: Sequence[str], rows: Rows, step: int | None) -> None:
    """The newest is also in the summary, where W&B's tables over runs look for it."""
    table = _table(columns, rows)
    _log(run, number, name, table, step)
    run.summary[name] = table


def log_chart(run: Any, number: int | None, name: str, chart: Chart, step: int | None) -> None:
    """A picture as W&B draws it, from a table that it looks for in the summary."""
    import wandb

    if isinstance(chart, Histogram):
        _log(run, number, name, wandb.Histogram(np_histogram=(np.asarray(chart.counts), np.asarray(chart.edges))), step)
        return
    preset, columns = _PRESETS[type(chart)]
    table = _table(columns, chart.rows)
    drawn = wandb.plot_table(preset, table, dict(zip(columns, columns, strict=True)), {"title": name}, split_table=True)
    _log(run, number, name, drawn, step)
    run.summary[f"Custom Chart Tables/{name}_table"] = table


def log_page(run: Any, number: int | None, name: str, html: str) -> None:
    import wandb

    _log(run, number, name, wandb.Html(html, inject=False), None)


def _table(columns: Sequence[str], rows: Rows) -> Any:
    import wandb

    return wandb.Table(columns=list(columns), data=[list(row) for row in rows], allow_mixed_types=True)


def _log(run: Any, number: int | None, name: str, told: Any, step: int | None) -> None:
    run.log({name: told} | ({} if step is None else {"step": step}), step=number, commit=False)
