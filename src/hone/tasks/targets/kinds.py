"""The kinds of target by name, shared by text, image and audio tasks, and how to recognise them."""

from __future__ import annotations

from datasets import Dataset
from transformers import PretrainedConfig

from hone.core.columns import read_column
from hone.core.task import Facts
from hone.tasks.targets.base import Target
from hone.tasks.targets.classes import require_classes
from hone.tasks.targets.multi_label import MultiLabel
from hone.tasks.targets.regression import Regression
from hone.tasks.targets.single_label import SingleLabel

_TARGETS: dict[str, type[Target]] = {"single_label": SingleLabel, "multi_label": MultiLabel, "regression": Regression}


def target_class(kind: str) -> type[Target]:
    """Return the target class for a kind such as `single_label`."""
    return _TARGETS[kind]


def guess_kind(rows: Dataset, names: tuple[str, ...] | None = None) -> str:
    """Guess the kind from the labels: lists mean several labels, floats a number, anything else one label.

    Raise UserError where the labels are no classes: their `names` are not given, and they hardly repeat.
    """
    labels = [label for label in read_column(rows, "label") if label is not None]
    if labels and all(isinstance(label, list | tuple) for label in labels):
        return "multi_label"
    if labels and all(isinstance(label, float) for label in labels):
        # A column of integers turns into floats when a value is missing; those are still class labels.
        has_gaps = len(labels) < len(rows)
        if not (has_gaps and all(label.is_integer() for label in labels)):
            return "regression"
    if names is None:
        require_classes(labels)
    return "single_label"


def facts_from_config(config: PretrainedConfig) -> Facts:
    """Return what the config of a classifier trained elsewhere says about its labels.

    The config does not say how often each label occurred, so every label counts once.
    """
    kinds = {cls.problem_type: kind for kind, cls in _TARGETS.items()}
    labels = label_names(config)
    default = "regression" if len(labels) == 1 else "single_label"
    kind = kinds.get(config.problem_type or "", default)
    return Facts(kind, labels, (1,) * len(labels), {"rows": 1, "mean": 0.0})


def label_names(config: PretrainedConfig) -> tuple[str, ...]:
    """Return the label names in the order of the network's outputs."""
    names = {int(index): name for index, name in (config.id2label or {}).items()}
    return tuple(names[index] for index in sorted(names))
