"""How far a model's confidence can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from rich.table import Table

from hone.core.task import Columns, Facts

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
