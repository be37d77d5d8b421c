"""Turns the predictions of many batches into the scores of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hone.core.contributions import Contributions
from hone.core.metric import MEAN_LOSS, Metric
from hone.core.task import Columns, Task


def join_records(parts: Sequence[Columns]) -> Columns:
    """Concatenate the columns of many batches."""
    return {name: _concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def restore_order(columns: Columns, order: np.ndarray[Any, Any]) -> Columns:
    """Return rows that were computed in `order` in their original order."""
    places = np.argsort(order)  # the inverse of the permutation
    return {name: _take(values, places) for name, values in columns.items()}


def metrics_of(task: Task) -> Mapping[str, Metric]:
    """Return the loss and the task's metrics, by name."""
    return {"loss": MEAN_LOSS, **task.metrics()}


def compute_scores(task: Task, records: Columns) -> dict[str, float]:
    """Compute every metric of the records."""
    return Contributions.of(metrics_of(task), records).scores()


def signatures_of(task: Task) -> dict[str, str]:
    """Return the signatures of the metrics that have one; scores with different signatures are not comparable."""
    return {name: metric.signature for name, metric in task.metrics().items() if metric.signature}


def baseline_scores(task: Task, records: Columns) -> dict[str, float]:
    """Return the scores of a model that ignores its input, without a loss; {} if the task has no such model."""
    predictions = task.baseline(records)
    scores = compute_scores(task, predictions) if predictions is not None else {}
    return {name: value for name, value in scores.items() if name != "loss"}


def _take(values: Any, places: np.ndarray[Any, Any]) -> Any:
    return values[places] if isinstance(values, np.ndarray) else [values[place] for place in places]


def _concatenate(parts: Sequence[Any]) -> Any:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [value for part in parts for value in part]
