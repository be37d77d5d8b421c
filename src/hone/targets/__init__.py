"""What a classifier aims at: one label, any number of labels, or a number. Text, image and audio tasks share these."""

from __future__ import annotations

from datasets import Dataset

from hone.targets.base import Target
from hone.targets.multi_label import MultiLabel
from hone.targets.regression import Regression
from hone.targets.single_label import SingleLabel

_TARGETS: dict[str, type[Target]] = {"single_label": SingleLabel, "multi_label": MultiLabel, "regression": Regression}


def target_class(kind: str) -> type[Target]:
    """The target of that kind."""
    return _TARGETS[kind]


def guess_kind(rows: Dataset) -> str:
    """Lists are several labels, fractions are numbers to predict, anything else is one label."""
    values = [value for value in rows["label"] if value is not None]
    if values and all(isinstance(value, list | tuple) for value in values):
        return "multi_label"
    if values and all(isinstance(value, float) for value in values):
        # A whole column of integers becomes floats when one is missing: those are still labels.
        gaps = len(values) < len(rows)
        return "single_label" if gaps and all(value.is_integer() for value in values) else "regression"
    return "single_label"
