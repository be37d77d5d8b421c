"""Which class is taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from rich.table import Table

from hone.core.task import Columns, Facts


def confusion(records: Columns, facts: Facts) -> np.ndarray[Any, Any] | None:
    """Rows are true classes, columns predicted ones; None where a row has not exactly one of each."""
    if facts.kind != "single_label" or "label" not in records:
        return None
    size = len(facts.labels)
    pairs = np.asarray(records["label"]) * size + np.asarray(records["prediction"])
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def confusion_table(matrix: np.ndarray[Any, Any], facts: Facts, most: int = 12) -> Table:
    """The matrix, or for many classes its most frequent mistakes."""
    if len(facts.labels) > most:
        return _mistakes(matrix, facts, most)
    table = Table(title="true class (row) and predicted class (column)", title_justify="left", title_style="bold")
    table.add_column("")
    for name in facts.labels:
        table.add_column(name, justify="right")
    for place, name in enumerate(facts.labels):
        cells = [
            f"[bold]{count}[/bold]" if column == place else str(count) for column, count in enumerate(matrix[place])
        ]
        table.add_row(name, *cells)
    return table


def _mistakes(matrix: np.ndarray[Any, Any], facts: Facts, most: int) -> Table:
    table = Table(title="the most frequent mistakes", title_justify="left", title_style="bold")
    for heading in ("true", "predicted", "count"):
        table.add_column(heading)
    wrong = matrix - np.diag(np.diag(matrix))
    for place in np.argsort(wrong, axis=None)[::-1][:most]:
        true, predicted = np.unravel_index(place, wrong.shape)
        table.add_row(facts.labels[true], facts.labels[predicted], str(wrong[true, predicted]))
    return table


_BINS = 10


@final
@dataclass(frozen=True)
class Bin:
    """The predictions of like confidence."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def calibration(records: Columns, facts: Facts) -> list[Bin]:
    """Predictions by the confidence in the chosen class; empty where there is no such thing."""
    if facts.kind != "single_label" or "label" not in records:
        return []
    confidence = np.asarray(records["scores"]).max(axis=1)
    right = np.asarray(records["prediction"]) == np.asarray(records["label"])
    place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return [
        Bin(
            at / _BINS,
            (at + 1) / _BINS,
            int(inside.sum()),
            float(confidence[inside].mean()),
            float(right[inside].mean()),
        )
        for at in range(_BINS)
        if (inside := place == at).any()
    ]


def expected_error(bins: list[Bin]) -> float:
    """The mean distance of confidence and accuracy, each prediction weighing the same."""
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.confidence - each.accuracy) for each in bins) / total


def calibration_table(bins: list[Bin]) -> Table:
    title = f"calibration (expected error {expected_error(bins):.4f})"
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("confidence", "rows", "mean confidence", "accuracy"):
        table.add_column(heading, justify="right")
    for each in bins:
        table.add_row(
            f"{each.low:.1f}–{each.high:.1f}", str(each.count), f"{each.confidence:.3f}", f"{each.accuracy:.3f}"
        )
    return table
