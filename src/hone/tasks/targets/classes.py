"""Class names, class weights and scores by class, shared by the targets that have classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.task import Facts
from hone.core.value_types import ClassWeights

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def class_name(label: object) -> str:
    """Return a label as a class name: 1, 1.0 and "1" are the same class."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label)


def class_names(counts: Counter[str], given: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names in the order the data set gives; otherwise sort them, numbers by value."""
    if given is not None:
        return given
    numeric = all(name.removeprefix("-").isdigit() for name in counts)
    return tuple(sorted(counts, key=int if numeric else None))


def class_config(names: Sequence[str]) -> dict[str, Any]:
    """Return the entries of a network's config that describe its classes."""
    return {
        "num_labels": len(names),
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
    }


def join_facts(first: Facts, second: Facts, names: tuple[str, ...] | None) -> Facts:
    """Combine the facts about two sets of rows: their classes, with counts and numbers added up."""
    counts = Counter(dict(zip(first.labels, first.counts, strict=True)))
    counts.update(dict(zip(second.labels, second.counts, strict=True)))
    labels = class_names(counts, names)
    numbers = {name: first.numbers.get(name, 0) + number for name, number in second.numbers.items()}
    return Facts(first.kind, labels, tuple(counts[name] for name in labels), numbers)


def label_problem(label: str, facts: Facts) -> str | None:
    """Return why a label cannot be scored, or None if it can."""
    if label not in facts.labels:
        withheld = " -1 marks withheld labels: leave those rows out." if label == "-1" else ""
        hint = withheld or ("" if _NUMBER.fullmatch(label) else did_you_mean(label, facts.labels))
        return f"label {label!r} is not one of the training labels {join_names(facts.labels, 12)}.{hint}"
    if facts.counts[facts.labels.index(label)] == 0:
        return f"label {label!r} never occurs in the training rows"
    return None


def list_class_weights(weights: ClassWeights, facts: Facts) -> list[float]:
    """Return a weight for each class; balanced weights give every class the same total weight."""
    if weights is None:
        return [1.0] * len(facts.labels)
    if weights == "balanced":
        total = sum(facts.counts)
        return [total / (len(facts.labels) * max(count, 1)) for count in facts.counts]
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in facts.labels:
                raise UserError(f"task.class_weights.{name}: no such label.{did_you_mean(name, facts.labels)}")
        return [float(weights.get(name, 1.0)) for name in facts.labels]
    if len(weights) != len(facts.labels):
        raise UserError(
            f"task.class_weights has {len(weights)} weights for {len(facts.labels)} labels: {join_names(facts.labels)}."
        )
    return [float(weight) for weight in weights]


def require_two_classes(facts: Facts) -> None:
    """Raise UserError unless there are at least two classes to distinguish."""
    if len(facts.labels) < 2:
        finding = (
            f"All training rows have the label {facts.labels[0]}" if facts.labels else "No training row has a label"
        )
        raise UserError(f"{finding}: a classifier needs at least two.")


def format_scores(names: Sequence[str], scores: Iterable[float], order: Iterable[int]) -> str:
    """Return names with their scores in the given order, such as 'joy 0.93, love 0.04'."""
    values = list(scores)
    return ", ".join(f"{names[index]} {values[index]:.2f}" for index in order)


def scores_by_name(names: Sequence[str], scores: Iterable[float]) -> dict[str, float]:
    """Return the score of each class by name."""
    return {name: float(score) for name, score in zip(names, scores, strict=True)}
