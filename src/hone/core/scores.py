"""From the predictions of many batches to the scores of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hone.core.contributions import Contributions
from hone.core.metric import MEAN_LOSS, Metric
from hone.core.task import Columns, Task


def join_records(parts: Sequence[Columns]) -> Columns:
    """Equal columns of many batches, one after the other."""
    return {name: _joined([part[name] for part in parts]) for name in parts[0]} if parts else {}


def restore_order(columns: Columns, order: np.ndarray[Any, Any]) -> Columns:
    """Rows that came in `order` in the places where they belong."""
    back = np.argsort(order)
    return {name: values[back] if isinstance(values, np.ndarray) else [values[place] for place in back]
            for name, values in columns.items()}  # fmt: skip


def metrics_of(task: Task) -> Mapping[str, Metric]:
    """The task's metrics and the loss."""
    return {"loss": MEAN_LOSS, **task.metrics()}


def compute_scores(task: Task, records: Columns) -> dict[str, float]:
    """Every metric of the records."""
    return Contributions.of(metrics_of(task), records).scores()


def signatures_of(task: Task) -> dict[str, str]:
    """What else must be equal for scores to be comparable, by the names of the metrics."""
    return {name: metric.signature for name, metric in task.metrics().items() if metric.signature}


def baseline_scores(task: Task, records: Columns) -> dict[str, float]:
    """The scores of a model that never looks, without the loss, which it has not."""
    blind = task.baseline(records)
    scores = compute_scores(task, blind) if blind is not None else {}
    return {name: value for name, value in scores.items() if name != "loss"}


def _joined(parts: Sequence[Any]) -> Any:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [value for part in parts for value in part]
