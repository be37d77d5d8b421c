"""Confusion matrix and calibration of a classifier's predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from rich.table import Table
from rich.text import Text

from hone.core.metric import Columns
from hone.core.task import Facts

_BINS = 10
"""The number of equally wide ranges of confidence."""


def _has_single_labels(records: Columns, facts: Facts) -> bool:
    return facts.kind == "single_label" and "label" in records


def confusion_matrix(records: Columns, facts: Facts) -> np.ndarray[Any, Any] | None:
    """Count the predictions: rows are true classes, columns predicted ones. None unless every record has exactly one
    true class."""
    if not _has_single_labels(records, facts):
        return None
    size = len(facts.labels)
    cells = np.asarray(records["label"]) * size + np.asarray(records["prediction"])
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def confusion_table(matrix: np.ndarray[Any, Any], facts: Facts, limit: int = 12) -> Table:
    """Show the matrix, or only its `limit` most frequent mistakes if there are more classes than that."""
    if len(facts.labels) > limit:
        return _mistakes_table(matrix, facts, limit)
    table = Table(title="true class (row) and predicted class (column)", title_justify="left", title_style="bold")
    table.add_column("")
    for name in facts.labels:
        table.add_column(name, justify="right")
    for row, name in enumerate(facts.labels):
        counts = map(str, matrix[row])
        table.add_row(name, *(Text(count, "bold" if column == row else "") for column, count in enumerate(counts)))
    return table


def _mistakes_table(matrix: np.ndarray[Any, Any], facts: Facts, limit: int) -> Table:
    table = Table(title="the most frequent mistakes", title_justify="left", title_style="bold")
    for heading in ("true", "predicted", "count"):
        table.add_column(heading)
    wrong = matrix - np.diag(np.diag(matrix))
    for cell in np.argsort(wrong, axis=None)[::-1][:limit]:
        true, predicted = np.unravel_index(cell, wrong.shape)
        table.add_row(facts.labels[true], facts.labels[predicted], str(wrong[true, predicted]))
    return table


@final
@dataclass(frozen=True)
class CalibrationBin:
    """The predictions whose confidence lies in one range."""

    low: float
    high: float
    count: int
    confidence: float
    """The mean confidence."""
    accuracy: float


def calibration_bins(records: Columns, facts: Facts) -> list[CalibrationBin]:
    """Group the predictions by the confidence in the predicted class, without empty groups. Empty unless every record
    has exactly one true class."""
    if not _has_single_labels(records, facts):
        return []
    confidence = np.asarray(records["scores"]).max(axis=1)
    correct = np.asarray(records["prediction"]) == np.asarray(records["label"])
    bin_of = np.minimum((confidence * _BINS).astype(int), _BINS - 1)  # a confidence of 1 belongs to the last bin
    bins = []
    for number in range(_BINS):
        inside = bin_of == number
        if inside.any():
            means = float(confidence[inside].mean()), float(correct[inside].mean())
            bins.append(CalibrationBin(number / _BINS, (number + 1) / _BINS, int(inside.sum()), *means))
    return bins


def expected_calibration_error(bins: list[CalibrationBin]) -> float:
    """Average the distance of confidence and accuracy over all predictions."""
    total = sum(item.count for item in bins)
    return sum(item.count * abs(item.confidence - item.accuracy) for item in bins) / total


def calibration_table(bins: list[CalibrationBin]) -> Table:
    title = f"calibration (expected error {expected_calibration_error(bins):.4f})"
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("confidence", "rows", "mean confidence", "accuracy"):
        table.add_column(heading, justify="right")
    for item in bins:
        span = f"{item.low:.1f}–{item.high:.1f}"
        table.add_row(span, str(item.count), f"{item.confidence:.3f}", f"{item.accuracy:.3f}")
    return table
