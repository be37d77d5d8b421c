"""How well text was foretold: functions of the sums in all records of a split."""

from __future__ import annotations

import math

import numpy as np

from hone.metrics import mean_loss
from hone.tasks.base import Columns

_LARGEST = 700.0
"""The largest loss whose perplexity is still a number."""


def perplexity(records: Columns) -> float:
    """Among how many equally likely tokens the model hesitates."""
    return math.exp(min(mean_loss(records), _LARGEST))


def bits_per_byte(records: Columns) -> float:
    """What it would take to store the text with the model's help, whatever its tokens are."""
    return float(np.sum(records["loss"])) / math.log(2) / max(float(np.sum(records["bytes"])), 1.0)


def accuracy(records: Columns) -> float:
    """The share of tokens that were the first choice."""
    return float(np.sum(records["hits"])) / max(float(np.sum(records["targets"])), 1.0)
