"""F1 and its kin over classes: one label a record, several, a tag a word, or spans of words.

All are functions of three sums a class: how often it is rightly predicted, predicted, and true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from hone.core.metric import Array, Columns, SumMetric

Codes = Callable[[Columns], Array]


def single_label(labels: Sequence[str]) -> dict[str, SumMetric]:
    """Of records with exactly one label each."""
    metric = partial(SumMetric, _pairs, expand=partial(count_classes, classes=len(labels)))
    return {
        "f1_macro": metric(f1_macro),
        "f1_weighted": metric(f1_weighted),
        "matthews": metric(matthews),
        "f1": metric(f1_by_class, parts=tuple(labels)),
    }


def multi_label(labels: Sequence[str]) -> dict[str, SumMetric]:
    """Of records with any number of labels each."""
    return {
        "f1_macro": SumMetric(_hits, f1_macro_of_all),
        "f1_micro": SumMetric(_hits, f1_micro),
        "f1_weighted": SumMetric(_hits, f1_weighted),
        "f1": SumMetric(_hits, f1_by_class, parts=tuple(labels)),
    }


def word_tags(labels: Sequence[str]) -> dict[str, SumMetric]:
    """Of records that are words with a tag each."""
    metric = partial(SumMetric, partial(_tags, classes=len(labels)))
    return {
        "f1_macro": metric(f1_macro),
        "f1_weighted": metric(f1_weighted),
        "f1": metric(f1_by_class, parts=tuple(labels)),
    }


def spans(codes: Codes, types: Sequence[str]) -> dict[str, SumMetric]:
    """Of records that are spans of some types; `codes` counts them as described above."""
    return {
        "f1": SumMetric(codes, f1_whole_and_by_class, parts=("", *types)),
        "precision": SumMetric(codes, precision_micro),
        "recall": SumMetric(codes, recall_micro),
    }


def _pairs(records: Columns) -> Array:
    """The label and the prediction are the code of a record."""
    return np.stack([np.asarray(records["label"]), np.asarray(records["prediction"])], axis=1)


def count_classes(codes: Array, classes: int) -> Array:
    """Right, predicted and true, a column a class each."""
    label, prediction = (np.eye(classes)[codes[..., column].astype(int)] for column in (0, 1))
    return np.concatenate([label * prediction, prediction, label], axis=-1)


def _hits(records: Columns) -> Array:
    label, prediction = (np.array(list(records[name]), dtype=np.int64) for name in ("label", "prediction"))
    return np.concatenate([label * prediction, prediction, label], axis=1)


def _tags(records: Columns, classes: int) -> Array:
    """Each record adds as many tags as it has words."""
    lengths = [len(tags) for tags in records["label"]]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    label, prediction = (
        np.array(list(chain.from_iterable(records[name])), dtype=np.int64) for name in ("label", "prediction")
    )
    sums = np.zeros((len(lengths), 3 * classes), dtype=np.int64)
    right = label == prediction
    np.add.at(sums, (owner[right], label[right]), 1)
    np.add.at(sums, (owner, classes + prediction), 1)
    np.add.at(sums, (owner, 2 * classes + label), 1)
    return sums


def _split(sums: Array) -> tuple[Array, Array, Array]:
    right, predicted, true = np.split(sums, 3, axis=-1)
    return right, predicted, true


def _divide(part: Array, whole: Array) -> Any:
    """0 where there is nothing to divide by."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0)


def _f1(right: Array, predicted: Array, true: Array) -> Any:
    return _divide(2 * right, predicted + true)


def f1_by_class(sums: Array) -> Any:
    """Not a number for a class that does not occur."""
    right, predicted, true = _split(sums)
    return np.where(true > 0, _f1(right, predicted, true), np.nan)


def f1_macro(sums: Array) -> Any:
    """Classes that neither occur nor are predicted do not count."""
    right, predicted, true = _split(sums)
    counted = predicted + true > 0
    return _divide(_f1(right, predicted, true).sum(axis=-1), counted.sum(axis=-1))


def f1_macro_of_all(sums: Array) -> Any:
    """Every class counts: so it is usual where a record has several labels."""
    return _f1(*_split(sums)).mean(axis=-1)


def f1_weighted(sums: Array) -> Any:
    """Each class counts as often as it occurs."""
    true = _split(sums)[2]
    return _divide((_f1(*_split(sums)) * true).sum(axis=-1), true.sum(axis=-1))


def f1_micro(sums: Array) -> Any:
    """All classes count as one."""
    return _f1(*(part.sum(axis=-1) for part in _split(sums)))


def f1_whole_and_by_class(sums: Array) -> Any:
    return np.concatenate([np.asarray(f1_micro(sums))[..., None], f1_by_class(sums)], axis=-1)


def precision_micro(sums: Array) -> Any:
    """The share of what is predicted that is right."""
    right, predicted, _ = (part.sum(axis=-1) for part in _split(sums))
    return _divide(right, predicted)


def recall_micro(sums: Array) -> Any:
    """The share of what is true that is predicted."""
    right, _, true = (part.sum(axis=-1) for part in _split(sums))
    return _divide(right, true)


def matthews(sums: Array) -> Any:
    """Matthews' correlation of predicted and true class; 0 where either is constant."""
    right, predicted, true = _split(sums)
    rows = true.sum(axis=-1)
    covariance = right.sum(axis=-1) * rows - (predicted * true).sum(axis=-1)
    spread = (rows**2 - (predicted**2).sum(axis=-1)) * (rows**2 - (true**2).sum(axis=-1))
    return np.where(spread > 0, covariance / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)
