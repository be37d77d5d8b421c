"""Class names, class weights and scores by class, shared by the targets that have classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hone.core.errors import UnsuitableRows, UserError, did_you_mean, join_names
from hone.core.task import Facts
from hone.core.value_types import ClassWeights

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_FEW_CLASSES = 20
"""Up to this many classes, a data set may be too small to show that they repeat."""


def class_name(label: object) -> str:
    """Return a label as a class name: 1, 1.0 and "1" are the same class."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label)


def class_names(counts: Counter[str], given: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names in the order the data set gives; otherwise sort them, numbers by value.

    Where some names are numbers and some are words, only the more frequent kind counts, unless the data set names all.
    A blank is no name.
    """
    if given is not None:
        return given
    numbers = {name: count for name, count in counts.items() if _is_number(name)}
    words = {name: count for name, count in counts.items() if name not in numbers and name.strip()}
    names = numbers if sum(numbers.values()) >= sum(words.values()) else words
    return tuple(sorted(names, key=float if names is numbers else None))


def require_classes(labels: Sequence[Any]) -> None:
    """Raise UnsuitableRows where labels hardly repeat, so that they are no classes."""
    names = Counter(class_name(label) for label in labels if label is not None and not isinstance(label, list | dict))
    if len(names) <= _FEW_CLASSES or len(names) * 2 <= len(labels):
        return
    if all(map(_is_number, names)):
        guess = "They look like numbers to predict: use task.kind=regression."
    else:
        guess = "They look like free text: task=summarization and task=translation learn to write such texts."
    raise UnsuitableRows(
        f"the label column has {len(names)} different values in {len(labels)} rows, such as "
        f"{next(iter(names))[:40]!r}: too many for classes. {guess} If another column has the labels, name it with "
        f"dataset.columns.label=…; if these are classes, use task.kind=single_label."
    )


def mixed_label_problems(labels: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """Yield the places of labels whose type differs from that of most: 1, "1" and true are not the same label."""
    kinds = [_kind(label) for label in labels]
    counts = Counter(kind for kind in kinds if kind is not None)
    if len(counts) < 2:
        return
    usual = counts.most_common(1)[0][0]
    for place, kind in enumerate(kinds):
        if kind not in (None, usual):
            problem = f"the label {labels[place]!r} is {kind}, but most in this column are {usual}"
            yield place, f"{problem}; write all in the same way"


def _kind(label: Any) -> str | None:
    """Return what type a label has in words, or None where another check reports it."""
    if isinstance(label, bool):
        return "a truth value"
    if isinstance(label, int | float):
        return "a number"
    return "text" if isinstance(label, str) else None


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
    if names is None and first.labels:  # the first rows decide whether labels are numbers or words
        kind = _is_number(first.labels[0])
        counts = Counter({name: count for name, count in counts.items() if _is_number(name) == kind})
    labels = class_names(counts, names)
    numbers = {name: first.numbers.get(name, 0) + number for name, number in second.numbers.items()}
    return Facts(first.kind, labels, tuple(counts[name] for name in labels), numbers)


def label_problem(label: str, facts: Facts) -> str | None:
    """Return why a label cannot be scored, or None if it can."""
    if label not in facts.labels:
        return f"label {label!r} is not one of the training labels {join_names(facts.labels, 12)}.{_hint(label, facts)}"
    if facts.counts[facts.labels.index(label)] == 0:
        return f"label {label!r} never occurs in the training rows"
    return None


def _hint(label: str, facts: Facts) -> str:
    """Return a guess at what is wrong with a label that is not one of the training labels."""
    if label == "-1":
        return " -1 marks withheld labels: leave those rows out."
    if facts.labels and _is_number(label) != _is_number(facts.labels[0]):
        return " Most labels are numbers, or most are words; if both are meant, list all in dataset.labels=[…]."
    return "" if _is_number(label) else did_you_mean(label, facts.labels)


def _is_number(name: str) -> bool:
    return _NUMBER.fullmatch(name) is not None


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
    """Raise UnsuitableRows unless there are at least two classes to distinguish."""
    if len(facts.labels) < 2:
        finding = (
            f"all training rows have the label {facts.labels[0]}" if facts.labels else "no training row has a label"
        )
        raise UnsuitableRows(f"{finding}, and a classifier needs at least two.")


def format_scores(names: Sequence[str], scores: Iterable[float], order: Iterable[int]) -> str:
    """Return names with their scores in the given order, such as 'joy 0.93, love 0.04'."""
    values = list(scores)
    return ", ".join(f"{names[index]} {values[index]:.2f}" for index in order)


def scores_by_name(names: Sequence[str], scores: Iterable[float]) -> dict[str, float]:
    """Return the score of each class by name."""
    return {name: float(score) for name, score in zip(names, scores, strict=True)}
