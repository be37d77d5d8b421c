"""From the predictions of many batches to the scores of a split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hone.tasks.base import Columns, Metric, Task


def join(parts: Sequence[Columns]) -> Columns:
    """Equal columns of many batches, one after the other."""
    return {name: _joined([part[name] for part in parts]) for name in parts[0]} if parts else {}


def reorder(columns: Columns, order: np.ndarray[Any, Any]) -> Columns:
    """Rows that came in `order` in the places where they belong."""
    back = np.argsort(order)
    return {name: values[back] if isinstance(values, np.ndarray) else [values[place] for place in back]
            for name, values in columns.items()}  # fmt: skip


def metrics_of(task: Task) -> Mapping[str, Metric]:
    """The task's metrics and the loss."""
    return {"loss": Metric(_mean_loss, higher_is_better=False), **task.metrics()}


def compute_scores(task: Task, records: Columns) -> dict[str, float]:
    """Every metric of the records; one that gives several numbers names them behind a slash, the whole by nothing."""
    scores: dict[str, float] = {}
    for name, metric in metrics_of(task).items():
        value = metric.compute(records)
        parts = value if isinstance(value, dict) else {"": value}
        scores |= {f"{name}/{part}" if part else name: each for part, each in parts.items()}
    return {name: float(value) for name, value in scores.items() if not math.isnan(value)}


def baseline_scores(task: Task, records: Columns) -> dict[str, float]:
    """The scores of a model that never looks, without the loss, which it has not."""
    blind = task.baseline(records)
    scores = compute_scores(task, blind) if blind is not None else {}
    return {name: value for name, value in scores.items() if name != "loss"}


def _mean_loss(records: Columns) -> float:
    """Returns the loss over a split; the weight of a record is that of its targets."""
    return float(np.sum(records["loss"])) / max(float(np.sum(records["targets"])), 1e-12)


def _joined(parts: Sequence[Any]) -> Any:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [value for part in parts for value in part]
