"""Metrics that several tasks share: functions from the records of a whole split to a number.

They read `label`, `prediction` and `scores`; the sums run over every record, so no batch or process weighs more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional import f1_score, matthews_corrcoef, pearson_corrcoef, spearman_corrcoef
from torchmetrics.functional.classification import binary_auroc

Columns = dict[str, Any]
Average = Literal["micro", "macro", "weighted"]


def mean_loss(records: Columns) -> float:
    """The loss over a split, each record weighing what its targets weigh."""
    return float(np.sum(records["loss"])) / max(float(np.sum(records["targets"])), 1e-12)


def accuracy(records: Columns) -> float:
    """The share of records that are wholly right (for several labels a record: all of them)."""
    right = np.asarray(records["prediction"]) == np.asarray(records["label"])
    return float(right.reshape(len(right), -1).all(axis=1).mean())


def f1(average: Average, classes: int) -> Callable[[Columns], float]:
    """F1 over single-label records; classes that neither occur nor are predicted do not count."""

    def compute(records: Columns) -> float:
        prediction, label = _pair(records)
        return float(f1_score(prediction, label, task="multiclass", average=average, num_classes=classes))

    return compute


def f1_by_class(labels: Sequence[str]) -> Callable[[Columns], dict[str, float]]:
    """The F1 of every class that occurs, by its name."""

    def compute(records: Columns) -> dict[str, float]:
        prediction, label = _pair(records)
        if label.ndim == 2:
            each = f1_score(prediction, label, task="multilabel", average="none", num_labels=len(labels))
        else:
            each = f1_score(prediction, label, task="multiclass", average="none", num_classes=len(labels))
        occurs = label.bool().any(dim=0) if label.ndim == 2 else torch.bincount(label, minlength=len(labels)) > 0
        return {name: float(value) for name, value, here in zip(labels, each, occurs, strict=True) if here}

    return compute


def multilabel_f1(average: Average, classes: int) -> Callable[[Columns], float]:
    """F1 over records with any number of labels."""

    def compute(records: Columns) -> float:
        prediction, label = _pair(records)
        return float(f1_score(prediction, label, task="multilabel", average=average, num_labels=classes))

    return compute


def matthews(classes: int) -> Callable[[Columns], float]:
    """Matthews' correlation of predicted and true class."""

    def compute(records: Columns) -> float:
        prediction, label = _pair(records)
        return float(matthews_corrcoef(prediction, label, task="multiclass", num_classes=classes))

    return compute


def auroc(records: Columns) -> float:
    """The area under the ROC curve, one class against the rest, averaged over the classes that are decidable."""
    scores = torch.as_tensor(records["scores"], dtype=torch.float64)
    label = torch.as_tensor(np.asarray(records["label"]))
    hits = label.bool() if label.ndim == 2 else torch.nn.functional.one_hot(label, scores.shape[1]).bool()
    decidable = [c for c in range(scores.shape[1]) if hits[:, c].any() and not hits[:, c].all()]
    areas = [float(binary_auroc(scores[:, c], hits[:, c].long())) for c in decidable]
    return sum(areas) / len(areas) if areas else math.nan


def mean_squared_error(records: Columns) -> float:
    prediction, label = _pair(records)
    return float((prediction.double() - label.double()).square().mean())


def mean_absolute_error(records: Columns) -> float:
    prediction, label = _pair(records)
    return float((prediction.double() - label.double()).abs().mean())


def _correlation(function: Callable[[Tensor, Tensor], Tensor], records: Columns) -> float:
    prediction, label = (values.double() for values in _pair(records))
    if prediction.numel() < 2 or not (prediction.std() > 0 and label.std() > 0):
        return 0.0  # a constant correlates with nothing
    return float(function(prediction, label))


pearson = partial(_correlation, pearson_corrcoef)
spearman = partial(_correlation, spearman_corrcoef)


def _pair(records: Columns) -> tuple[Tensor, Tensor]:
    return torch.as_tensor(np.asarray(records["prediction"])), torch.as_tensor(np.asarray(records["label"]))
