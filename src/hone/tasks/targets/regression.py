"""The target for one number per row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor

from hone.core.columns import read_column
from hone.core.errors import UnsuitableRows, UserError, join_names
from hone.core.metric import Columns, Metric
from hone.core.task import Facts, Fault
from hone.tasks.metrics.ranks import SPEARMAN
from hone.tasks.metrics.scalars import MEAN_ABSOLUTE_ERROR, MEAN_SQUARED_ERROR, PEARSON
from hone.tasks.targets.base import Target, TargetOptions

_LARGEST = 1e12
"""The largest number that can be learned: squared, and summed over all weights for the norm of a gradient, it must stay
below 3.4e38, the largest float32."""


@final
class Regression(Target):
    """Predicts a number with one output and learns by its squared error."""

    problem_type: ClassVar[str] = "regression"
    monitor: ClassVar[str] = "spearman"

    def __init__(self, facts: Facts, options: TargetOptions) -> None:
        if options.class_weights is not None or options.label_smoothing:
            raise UserError(
                "task.class_weights and task.label_smoothing need classes, but the labels are numbers to predict. "
                "If they are classes, use task.kind=single_label."
            )
        self.facts = facts

    @classmethod
    def find_facts(cls, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        if names is not None:
            raise UnsuitableRows(
                f"the labels are numbers to predict, so the names {join_names(names, 8)} cannot be used."
            )
        numbers = [number for number in map(_number, read_column(rows, "label")) if math.isfinite(number)]
        return Facts("regression", ("value",), (len(numbers),), {"mean": float(np.mean(numbers)) if numbers else 0.0})

    @classmethod
    def join(cls, first: Facts, second: Facts, names: tuple[str, ...] | None) -> Facts:
        count = sum(first.counts) + sum(second.counts)
        total = sum(facts.numbers.get("mean", 0.0) * sum(facts.counts) for facts in (first, second))
        return Facts("regression", ("value",), (count,), {"mean": total / max(count, 1)})

    @classmethod
    def find_faults(cls, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for row, label in enumerate(read_column(rows, "label")):
            if label is None:
                yield Fault(row, "label", "the label is missing")
            elif not math.isfinite(_number(label)):
                yield Fault(row, "label", f"expected a number, not {label!r}")
            elif abs(_number(label)) > _LARGEST:
                problem = f"{label!r} is too large: its squared error does not fit into float32; scale the labels"
                yield Fault(row, "label", problem)

    def encode(self, labels: Sequence[Any]) -> list[Any]:
        return [float(label) for label in labels]

    def tensor(self, encoded: Sequence[Any]) -> Tensor:
        return torch.tensor(np.asarray(encoded), dtype=torch.float32)

    def weights(self, labels: Tensor) -> Tensor:
        return labels.new_ones(len(labels))

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.mse_loss(logits.squeeze(-1), labels.to(logits), reduction="none")

    def decide(self, logits: Tensor) -> Columns:
        return {"prediction": logits.squeeze(-1).cpu().numpy()}

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "spearman": SPEARMAN,
            "pearson": PEARSON,
            "mse": MEAN_SQUARED_ERROR,
            "mae": MEAN_ABSOLUTE_ERROR,
        }

    def baseline(self, records: Columns) -> Columns:
        return records | {"prediction": np.full(len(records["label"]), self.facts.numbers["mean"])}

    def describe(self, record: Mapping[str, Any]) -> str:
        return f"{float(record['prediction']):.3f}"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"value": float(record["prediction"])}


def _number(label: object) -> float:
    """Return the label as a number, NaN if it is not a number."""
    try:
        return float(label)  # type: ignore[arg-type]  # anything that is not a number raises
    except (TypeError, ValueError, OverflowError):
        return math.nan
