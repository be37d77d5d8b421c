"""How well the selected cells of tables match the true ones, and how often the right operation is done with them.

Metrics read the columns `prediction` and `coordinates`, lists of cells, and `operation` and `true_operation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hone.core.metric import Array, Columns, SumMetric


def cell_metrics(aggregated: bool) -> dict[str, SumMetric]:
    """Return the metrics of selected cells, with those of operations where answers are `aggregated`."""
    metrics = {"exact_match": SumMetric(_count_right_answers), "cell_f1": SumMetric(_score_cells)}
    if not aggregated:
        return metrics
    return metrics | {
        "cell_accuracy": SumMetric(_count_right_cells),
        "aggregation_accuracy": SumMetric(_count_right_operations),
    }


def cell_f1(predicted: Iterable[Any], true: Iterable[Any]) -> float:
    """Return F1 of two sets of cells; two empty ones are equal."""
    first, second = ({tuple(cell) for cell in cells} for cells in (predicted, true))
    total = len(first) + len(second)
    return 2 * len(first & second) / total if total else 1.0


def _score_cells(records: Columns) -> Array:
    pairs = zip(records["prediction"], records["coordinates"], strict=True)
    return np.array([cell_f1(*pair) for pair in pairs], dtype=np.float64)


def _count_right_cells(records: Columns) -> Array:
    right: Array = _score_cells(records) == 1.0
    return right.astype(np.float64)


def _count_right_operations(records: Columns) -> Array:
    right: Array = np.asarray(records["operation"]) == np.asarray(records["true_operation"])
    return right.astype(np.float64)


def _count_right_answers(records: Columns) -> Array:
    right: Array = _count_right_cells(records) * _count_right_operations(records)
    return right
