"""Metrics that are means, ratios or correlations of one number per record."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np

from hone.core.metric import MEAN_LOSS, Array, Columns, SumMetric, ratio, ratio_codes

_CONSTANT = 1e-12
"""A standard deviation below this share of the mean is attributed to rounding."""
_LARGEST = 700.0
"""The largest loss whose perplexity does not overflow."""


def _correct(records: Columns) -> Any:
    """Return whether each record is fully correct; if it has several labels, all must be."""
    correct = np.asarray(records["prediction"]) == np.asarray(records["label"])
    return correct.reshape(len(correct), -1).all(axis=1)


def _correct_words(records: Columns) -> Array:
    correct = [np.equal(*pair).sum() for pair in zip(records["prediction"], records["label"], strict=True)]
    return ratio_codes(correct, [len(label) for label in records["label"]])


def _errors(records: Columns) -> Any:
    prediction, label = (np.asarray(records[name], dtype=np.float64) for name in ("prediction", "label"))
    return prediction - label


def mean_of(column: str) -> SumMetric:
    """Return the metric for the mean of a column of numbers."""
    return SumMetric(lambda records: records[column])


def top_accuracy(count: int) -> SumMetric:
    """Return the metric for the share of records whose label is among the `count` classes with the highest scores."""
    return SumMetric(lambda records: _ranks(records) < count)


def _ranks(records: Columns) -> Array:
    """Return how many classes have a higher score than the label."""
    scores, label = np.asarray(list(records["scores"])), np.asarray(records["label"])
    ranks: Array = (scores > np.take_along_axis(scores, label[:, None], axis=1)).sum(axis=1)
    return ranks


def correlation(column: str) -> SumMetric:
    """Return the metric for Pearson's correlation of a column with the label; it is 0 where either is constant."""
    return SumMetric(lambda records: _moments(records[column], records["label"]), correlate)


def _moments(first: Any, second: Any) -> Array:
    """Return 1, x, y, x², y² and xy per record. Standardising keeps the correlation and avoids cancellation."""
    x, y = _standardise(first), _standardise(second)
    return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)


def _standardise(values: Any) -> Array:
    numbers = np.asarray(values, dtype=np.float64)
    mean, spread = numbers.mean(), numbers.std()
    return (numbers - mean) / spread if spread > _CONSTANT * abs(mean) else np.zeros(len(numbers))


def correlate(sums: Array) -> Any:
    """Return Pearson's correlation from the number of records and the sums of x, y, x², y² and xy."""
    x, y, xx, yy, xy = np.moveaxis(sums[..., 1:] / np.maximum(sums[..., :1], 1), -1, 0)
    spread = (xx - x * x) * (yy - y * y)
    varies = spread > _CONSTANT
    return np.where(varies, (xy - x * y) / np.sqrt(np.where(varies, spread, 1)), 0.0)


def flatten(records: Columns) -> Columns:
    """Return the predictions and labels of all words of all records, end to end."""
    return {name: np.array(list(chain.from_iterable(records[name]))) for name in ("prediction", "label")}


ACCURACY = SumMetric(_correct)
WORD_ACCURACY = SumMetric(_correct_words)
MEAN_SQUARED_ERROR = SumMetric(lambda records: _errors(records) ** 2, higher_is_better=False)
MEAN_ABSOLUTE_ERROR = SumMetric(lambda records: np.abs(_errors(records)), higher_is_better=False)
PEARSON = correlation("prediction")


def perplexity(sums: Array) -> Any:
    """Return the exponential of the mean loss."""
    return np.exp(np.minimum(ratio(sums), _LARGEST))


def _bits_and_bytes(records: Columns) -> Array:
    return ratio_codes(np.asarray(records["loss"]) / math.log(2), records["bytes"])


def _hits(records: Columns) -> Array:
    return ratio_codes(records["hits"], records["targets"])


def _errors_and_those_of_one_colour(records: Columns) -> Array:
    return ratio_codes(records["error"], records["constant"])


PERPLEXITY = SumMetric(MEAN_LOSS.codes, perplexity, higher_is_better=False)
"""The number of equally likely tokens that would be as hard to predict."""
BITS_PER_BYTE = SumMetric(_bits_and_bytes, higher_is_better=False)
"""The loss in bits per byte of text, which is comparable between tokenizers."""
MASKED_ACCURACY = SumMetric(_hits)
"""The share of hidden tokens that the model ranked first."""
RELATIVE_ERROR = SumMetric(_errors_and_those_of_one_colour, higher_is_better=False)
"""The error as a share of that of a constant prediction."""
