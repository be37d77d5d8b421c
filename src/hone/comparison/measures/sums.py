"""Metrics that are means, ratios or correlations of numbers: loss and its kin, accuracies, ranks, regression."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from hone.comparison.measures.base import Array, Maker, Measure, Read, Told, mean_of, ratio, share_of

_LARGEST = 700.0


def _loss(read: Read, told: Told) -> Measure:
    return share_of(read("loss"), read("targets"))


def _perplexity(read: Read, told: Told) -> Measure:
    return Measure(_loss(read, told).codes, lambda sums: np.exp(np.minimum(ratio(sums), _LARGEST)))


def _bits_per_byte(read: Read, told: Told) -> Measure:
    return share_of(np.asarray(read("loss")) / math.log(2), read("bytes"))


def _masked_accuracy(read: Read, told: Told) -> Measure:
    return share_of(read("hits"), read("targets"))


def _accuracy(read: Read, told: Told) -> Measure:
    return mean_of(np.asarray(read("prediction")) == np.asarray(read("label")))


def _error(read: Read, told: Told, power: int) -> Measure:
    return mean_of(np.abs(np.asarray(read("prediction")) - np.asarray(read("label"))) ** power)


def _correlation(read: Read, told: Told, name: str) -> Measure:
    x, y = np.asarray(read(name), dtype=np.float64), np.asarray(read("label"), dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(name)
    x, y = x - x.mean(), y - y.mean()  # which changes no correlation, and keeps the digits
    return Measure(np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1), _pearson)


def _pearson(sums: Array) -> Any:
    count, x, y, xx, yy, xy = np.moveaxis(sums / np.maximum(sums[..., :1], 1e-12), -1, 0)
    spread = (xx - x * x) * (yy - y * y)
    return np.where(spread > 1e-18, (xy - x * y) / np.sqrt(np.maximum(spread, 1e-18)), 0.0) * (count > 0)


def _mrr(read: Read, told: Told) -> Measure:
    return mean_of(1 / np.asarray(read("rank")))


def _recall_at(read: Read, told: Told, count: int) -> Measure:
    return mean_of(np.asarray(read("rank")) <= count)


def _nearer(read: Read, told: Told) -> Measure:
    return mean_of(np.asarray(read("similarity")) > np.asarray(read("negative_similarity")))


MEASURES: Mapping[str, tuple[Maker, ...]] = {
    "loss": (_loss,),
    "perplexity": (_perplexity,),
    "bits_per_byte": (_bits_per_byte,),
    "masked_accuracy": (_masked_accuracy,),
    "accuracy": (_accuracy,),
    "mse": (partial(_error, power=2),),
    "mae": (partial(_error, power=1),),
    "pearson": (partial(_correlation, name="similarity"), partial(_correlation, name="prediction")),
    "mrr": (_mrr,),
    **{f"recall@{count}": (partial(_recall_at, count=count),) for count in (1, 5, 10)},
    "triplet_accuracy": (_nearer,),
}
