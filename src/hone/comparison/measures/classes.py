"""F1 and its kin over classes: of one label a record, of several, of a tag a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from hone.comparison.measures.base import Array, Maker, Measure, Read, Told, as_they_are, share_of

Finish = Callable[[Array], Any]


def _one_label(read: Read, told: Told, finish: Finish) -> Measure:
    """The code of a record is its label and its prediction."""
    codes = np.stack([_flat(read("label")), _flat(read("prediction"))], axis=1)
    classes = max(len(told.labels), int(codes.max()) + 1)
    return Measure(codes, finish, partial(_counts, classes=classes))


def _several_labels(read: Read, told: Told, finish: Finish) -> Measure:
    label, prediction = (np.array(read(name), dtype=np.float64) for name in ("label", "prediction"))
    if label.ndim != 2 or label.shape != prediction.shape or label.max() > 1:
        raise ValueError("label")
    return Measure(np.concatenate([label * prediction, prediction, label], axis=1), finish, as_they_are)


def _tags(read: Read, told: Told, finish: Finish) -> Measure:
    """A record is as many tags as it has words."""
    owners, label, prediction = _by_word(read)
    counts = _counts(
        np.stack([label, prediction], axis=1), max(len(told.labels), int(max(label.max(), prediction.max())) + 1)
    )
    sums = np.zeros((len(read("words")), counts.shape[1]))
    np.add.at(sums, owners, counts)
    return Measure(sums, finish)


def _right_tags(read: Read, told: Told) -> Measure:
    owners, label, prediction = _by_word(read)
    rows = len(read("words"))
    return share_of(
        np.bincount(owners, weights=label == prediction, minlength=rows), np.bincount(owners, minlength=rows)
    )


def _all_right(read: Read, told: Told) -> Measure:
    """Every one of several labels."""
    label, prediction = (np.array(read(name), dtype=np.float64) for name in ("label", "prediction"))
    if label.ndim != 2:
        raise ValueError("label")
    return share_of((label == prediction).all(axis=1), np.ones(len(label)))


def _by_word(read: Read) -> tuple[Array, Array, Array]:
    lengths = [len(words) for words in read("words")]
    label, prediction = (np.array(list(chain.from_iterable(read(name)))) for name in ("label", "prediction"))
    return np.repeat(np.arange(len(lengths)), lengths), label, prediction


def _flat(values: object) -> Array:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError("label")
    return array


def _counts(codes: Array, classes: int) -> Any:
    """Right, predicted and true, each a column a class."""
    label, prediction = (np.eye(classes)[codes[..., column].astype(int)] for column in (0, 1))
    return np.concatenate([label * prediction, prediction, label], axis=-1)


def _split(sums: Array) -> tuple[Array, Array, Array]:
    right, predicted, true = np.split(sums, 3, axis=-1)
    return right, predicted, true


def _each(sums: Array) -> Any:
    right, predicted, true = _split(sums)
    return 2 * right / np.maximum(predicted + true, 1e-12)


def _macro(sums: Array) -> Any:
    """Classes that neither occur nor are predicted do not count."""
    _, predicted, true = _split(sums)
    there = predicted + true > 0
    return (_each(sums) * there).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)


def _macro_of_all(sums: Array) -> Any:
    """Every class counts, as torchmetrics has it where a record has several labels."""
    return _each(sums).mean(axis=-1)


def _weighted(sums: Array) -> Any:
    true = _split(sums)[2]
    return (_each(sums) * true).sum(axis=-1) / np.maximum(true.sum(axis=-1), 1e-12)


def _micro(sums: Array) -> Any:
    right, predicted, true = (part.sum(axis=-1) for part in _split(sums))
    return 2 * right / np.maximum(predicted + true, 1e-12)


def _matthews(sums: Array) -> Any:
    right, predicted, true = _split(sums)
    rows = true.sum(axis=-1)
    covariance = right.sum(axis=-1) * rows - (predicted * true).sum(axis=-1)
    spread = (rows**2 - (predicted**2).sum(axis=-1)) * (rows**2 - (true**2).sum(axis=-1))
    return np.where(spread > 0, covariance / np.sqrt(np.maximum(spread, 1e-12)), 0.0)


def of_class(label: str) -> tuple[Maker, ...]:
    """F1 of a single class."""

    def make(read: Read, told: Told, kind: Callable[..., Measure]) -> Measure:
        place = told.labels.index(label)
        return kind(read, told, lambda sums: _each(sums)[..., place])

    return tuple(partial(make, kind=kind) for kind in (_one_label, _several_labels, _tags))


def _of(*finishes: Finish) -> tuple[Maker, ...]:
    kinds = (_one_label, _several_labels, _tags)
    return tuple(partial(kind, finish=finish) for finish in finishes for kind in kinds)


MEASURES: Mapping[str, tuple[Maker, ...]] = {
    "f1_macro": _of(_macro, _macro_of_all),
    "f1_weighted": _of(_weighted),
    "f1_micro": _of(_micro),
    "matthews": _of(_matthews),
    "accuracy": (_right_tags, _all_right),
}
