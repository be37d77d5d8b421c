"""What a classifier aims at: one label, any number of labels, or a number. Text, image and audio tasks share these."""

from __future__ import annotations

from datasets import Dataset
from transformers import PretrainedConfig

from hone.core.columns import read_column
from hone.core.task import Facts
from hone.tasks.targets.base import Target
from hone.tasks.targets.multi_label import MultiLabel
from hone.tasks.targets.regression import Regression
from hone.tasks.targets.single_label import SingleLabel

_TARGETS: dict[str, type[Target]] = {"single_label": SingleLabel, "multi_label": MultiLabel, "regression": Regression}


def target_class(kind: str) -> type[Target]:
    """The target of that kind."""
    return _TARGETS[kind]


def guess_kind(rows: Dataset) -> str:
    """Lists are several labels, fractions are numbers to predict, anything else is one label."""
    labels = [label for label in read_column(rows, "label") if label is not None]
    if labels and all(isinstance(label, list | tuple) for label in labels):
        return "multi_label"
    if labels and all(isinstance(label, float) for label in labels):
        # A whole column of integers becomes floats when one is missing: those are still labels.
        gaps = len(labels) < len(rows)
        return "single_label" if gaps and all(label.is_integer() for label in labels) else "regression"
    return "single_label"


def recalled(config: PretrainedConfig) -> Facts:
    """What a classifier that was trained elsewhere says of its labels; how often each occurred, nobody knows."""
    kinds = {cls.problem_type: kind for kind, cls in _TARGETS.items()}
    labels = label_names(config)
    usual = "regression" if len(labels) == 1 else "single_label"
    return Facts(kinds.get(config.problem_type or "", usual), labels, (1,) * len(labels), {"rows": 1, "mean": 0.0})


def label_names(config: PretrainedConfig) -> tuple[str, ...]:
    """In the order of the network's outputs."""
    named = {int(place): name for place, name in (config.id2label or {}).items()}
    return tuple(named[place] for place in sorted(named))
