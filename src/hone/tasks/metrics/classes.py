"""F1, precision, recall and Matthews correlation for single labels, multiple labels, word tags and spans of words.

All are functions of three counts per class, in this order: correct predictions, predictions, and true labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from hone.core.metric import Array, Columns, SumMetric

Codes = Callable[[Columns], Array]


def single_label_metrics(labels: Sequence[str]) -> dict[str, SumMetric]:
    """Return the metrics of records with exactly one label each."""
    metric = partial(SumMetric, _pairs, expand=partial(count_classes, classes=len(labels)))
    return {
        "f1_macro": metric(f1_macro),
        "f1_weighted": metric(f1_weighted),
        "matthews": metric(matthews),
        "f1": metric(f1_by_class, parts=tuple(labels)),
    }


def multi_label_metrics(labels: Sequence[str]) -> dict[str, SumMetric]:
    """Return the metrics of records with any number of labels each."""
    return {
        "f1_macro": SumMetric(_hits, f1_macro_of_all),
        "f1_micro": SumMetric(_hits, f1_micro),
        "f1_weighted": SumMetric(_hits, f1_weighted),
        "f1": SumMetric(_hits, f1_by_class, parts=tuple(labels)),
    }


def word_tag_metrics(labels: Sequence[str]) -> dict[str, SumMetric]:
    """Return the metrics of records that are lists of words with one tag per word."""
    metric = partial(SumMetric, partial(_tags, classes=len(labels)))
    return {
        "f1_macro": metric(f1_macro),
        "f1_weighted": metric(f1_weighted),
        "f1": metric(f1_by_class, parts=tuple(labels)),
    }


def span_metrics_from_counts(codes: Codes, types: Sequence[str]) -> dict[str, SumMetric]:
    """Return the metrics of spans of the given types; `codes` gives the three counts of each record."""
    return {
        "f1": SumMetric(codes, f1_whole_and_by_class, parts=("", *types)),
        "precision": SumMetric(codes, precision_micro),
        "recall": SumMetric(codes, recall_micro),
    }


def _pairs(records: Columns) -> Array:
    """Encode each record as the pair of its label and its prediction."""
    return np.stack([np.asarray(records["label"]), np.asarray(records["prediction"])], axis=1)


def count_classes(codes: Array, classes: int) -> Array:
    """Turn pairs of label and prediction into the three counts, with one column per class each."""
    label, prediction = (np.eye(classes)[codes[..., column].astype(int)] for column in (0, 1))
    return np.concatenate([label * prediction, prediction, label], axis=-1)


def _hits(records: Columns) -> Array:
    """Return the three counts of records whose labels and predictions are rows of 0 and 1."""
    label, prediction = (np.array(list(records[name]), dtype=np.int64) for name in ("label", "prediction"))
    return np.concatenate([label * prediction, prediction, label], axis=1)


def _tags(records: Columns, classes: int) -> Array:
    """Return the three counts of records with one tag per word."""
    lengths = [len(tags) for tags in records["label"]]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    label, prediction = (
        np.array(list(chain.from_iterable(records[name])), dtype=np.int64) for name in ("label", "prediction")
    )
    sums = np.zeros((len(lengths), 3 * classes), dtype=np.int64)
    # `np.add.at` adds up repeated indices, which `sums[...] += 1` would count once.
    right = label == prediction
    np.add.at(sums, (owner[right], label[right]), 1)
    np.add.at(sums, (owner, classes + prediction), 1)
    np.add.at(sums, (owner, 2 * classes + label), 1)
    return sums


def _split(sums: Array) -> tuple[Array, Array, Array]:
    right, predicted, true = np.split(sums, 3, axis=-1)
    return right, predicted, true


def _divide(part: Array, whole: Array) -> Any:
    """Divide, giving 0 where the divisor is 0."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0)


def _f1(right: Array, predicted: Array, true: Array) -> Any:
    return _divide(2 * right, predicted + true)


def f1_by_class(sums: Array) -> Any:
    """Return the F1 of each class, NaN for classes that do not occur."""
    right, predicted, true = _split(sums)
    return np.where(true > 0, _f1(right, predicted, true), np.nan)


def f1_macro(sums: Array) -> Any:
    """Return the mean F1 over the classes that occur or are predicted."""
    right, predicted, true = _split(sums)
    counted = predicted + true > 0
    return _divide(_f1(right, predicted, true).sum(axis=-1), counted.sum(axis=-1))


def f1_macro_of_all(sums: Array) -> Any:
    """Return the mean F1 over all classes, as is usual for records with several labels."""
    return _f1(*_split(sums)).mean(axis=-1)


def f1_weighted(sums: Array) -> Any:
    """Return the mean F1 weighted by how often each class occurs."""
    true = _split(sums)[2]
    return _divide((_f1(*_split(sums)) * true).sum(axis=-1), true.sum(axis=-1))


def f1_micro(sums: Array) -> Any:
    """Return the F1 of the counts summed over all classes."""
    return _f1(*(part.sum(axis=-1) for part in _split(sums)))


def f1_whole_and_by_class(sums: Array) -> Any:
    """Return the F1 of all classes together, followed by the F1 of each class."""
    return np.concatenate([np.asarray(f1_micro(sums))[..., None], f1_by_class(sums)], axis=-1)


def precision_micro(sums: Array) -> Any:
    """Return the share of all predictions that are correct."""
    right, predicted, _ = (part.sum(axis=-1) for part in _split(sums))
    return _divide(right, predicted)


def recall_micro(sums: Array) -> Any:
    """Return the share of all true labels that are predicted."""
    right, _, true = (part.sum(axis=-1) for part in _split(sums))
    return _divide(right, true)


def matthews(sums: Array) -> Any:
    """Return the Matthews correlation of predicted and true class, 0 where either is constant."""
    right, predicted, true = _split(sums)
    rows = true.sum(axis=-1)
    covariance = right.sum(axis=-1) * rows - (predicted * true).sum(axis=-1)
    spread = (rows**2 - (predicted**2).sum(axis=-1)) * (rows**2 - (true**2).sum(axis=-1))
    return np.where(spread > 0, covariance / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)
