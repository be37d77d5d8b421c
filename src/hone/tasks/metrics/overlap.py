"""Intersection over union and accuracy of pixels, from three counts per class and picture.

The counts are those of `hone.tasks.metrics.classes`: correct predictions, predictions, and true labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hone.core.metric import Array, Columns, SumMetric
from hone.tasks.metrics.classes import recall_micro

COUNTS = ("right", "predicted", "true")
"""The columns of the records that have the counts: a row of numbers each, one per class."""


def overlap_metrics(labels: Sequence[str]) -> dict[str, SumMetric]:
    """Return the metrics of records with the counts of their pixels."""
    return {
        "mean_iou": SumMetric(_counts, mean_iou),
        "pixel_accuracy": SumMetric(_counts, recall_micro),
        "iou": SumMetric(_counts, iou_by_class, parts=tuple(labels)),
    }


def iou_by_class(sums: Array) -> Any:
    """Return the intersection over union of each class, NaN for classes that neither occur nor are predicted."""
    right, predicted, true = np.split(sums, 3, axis=-1)
    union = predicted + true - right
    return np.where(union > 0, right / np.where(union > 0, union, 1), np.nan)


def mean_iou(sums: Array) -> Any:
    """Return the mean over the classes that occur or are predicted."""
    scores = np.asarray(iou_by_class(sums))
    counted = ~np.isnan(scores)
    return np.where(counted, scores, 0).sum(axis=-1) / np.maximum(counted.sum(axis=-1), 1)


def _counts(records: Columns) -> Array:
    return np.concatenate([np.array(list(records[name]), dtype=np.int64) for name in COUNTS], axis=1)
