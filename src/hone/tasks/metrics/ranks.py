"""Metrics of the ranking of all records. They cannot be computed from sums over records."""

from __future__ import annotations

import math

import numpy as np
import torch
from torchmetrics.functional import spearman_corrcoef
from torchmetrics.functional.classification import binary_auroc

from hone.core.metric import Columns, PlainMetric


def _auroc(records: Columns) -> float:
    """Return the mean one-versus-rest area under the ROC curve, over the classes with both positives and negatives."""
    scores = torch.as_tensor(records["scores"], dtype=torch.float64)
    label = torch.as_tensor(np.asarray(records["label"]))
    hits = label.bool() if label.ndim == 2 else torch.nn.functional.one_hot(label, scores.shape[1]).bool()
    decidable = [column for column in range(scores.shape[1]) if hits[:, column].any() and not hits[:, column].all()]
    areas = [float(binary_auroc(scores[:, column], hits[:, column].long())) for column in decidable]
    return sum(areas) / len(areas) if areas else math.nan


def rank_correlation(column: str) -> PlainMetric:
    """Return the metric for Spearman's correlation of a column with the label; it is 0 where either is constant."""

    def compute(records: Columns) -> float:
        x, y = (torch.as_tensor(np.asarray(records[name]), dtype=torch.float64) for name in (column, "label"))
        return float(spearman_corrcoef(x, y)) if len(x) > 1 and x.std() > 0 and y.std() > 0 else 0.0

    return PlainMetric(compute)


AUROC = PlainMetric(_auroc)
SPEARMAN = rank_correlation("prediction")
