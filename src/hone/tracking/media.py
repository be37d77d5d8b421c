"""What W&B shows beside numbers. It waits for the journal's next row, which has this number, and stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hone.tracking.exhibits import Bars, Exhibit, Histogram, Matrix

_PRESETS: Mapping[type[Exhibit], tuple[str, tuple[str, ...]]] = {
    Bars: ("wandb/bar/v0", ("label", "value")),
    Matrix: ("wandb/confusion_matrix/v1", ("Actual", "Predicted", "nPredictions")),
}
"""W&B's own drawings, and what they call the columns."""


def define_axes(run: Any) -> None:
    """Curves are drawn over our own steps, and can be over the others."""
    for axis in ("step", "epoch", "examples", "seconds", "time"):
        run.define_metric(axis, hidden=True)
    run.define_metric("*", step_metric="step", summary="none")


def log_exhibit(run: Any, number: int | None, name: str, exhibit: Exhibit, step: int | None) -> None:
    """The newest table, be it of a picture, is also in the summary, where W&B's pages look for it."""
    import wandb

    if isinstance(exhibit, Histogram):
        bins = (np.asarray(exhibit.counts), np.asarray(exhibit.edges))
        _log(run, number, name, wandb.Histogram(np_histogram=bins), step)
    elif type(exhibit) in _PRESETS:
        preset, columns = _PRESETS[type(exhibit)]
        table, fields = _table(columns, exhibit), dict(zip(columns, columns, strict=True))
        _log(run, number, name, wandb.plot_table(preset, table, fields, {"title": name}, split_table=True), step)
        run.summary[f"Custom Chart Tables/{name}_table"] = table
    else:
        table = _table(exhibit.table().columns, exhibit)
        _log(run, number, name, table, step)
        run.summary[name] = table


def log_page(run: Any, number: int | None, name: str, html: str) -> None:
    import wandb

    _log(run, number, name, wandb.Html(html, inject=False), None)


def _table(columns: Sequence[str], exhibit: Exhibit) -> Any:
    import wandb

    return wandb.Table(columns=list(columns), data=list(map(list, exhibit.table().rows)), allow_mixed_types=True)


def _log(run: Any, number: int | None, name: str, told: Any, step: int | None) -> None:
    run.log({name: told} | ({} if step is None else {"step": step}), step=number, commit=False)
