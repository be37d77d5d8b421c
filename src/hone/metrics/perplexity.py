"""How well text is predicted: functions of the sums in all records of a split."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hone.core.metric import Array, Columns, SumMetric, ratio, share
from hone.metrics.scalars import MEAN_LOSS

_LARGEST = 700.0
"""The largest loss whose perplexity is still a number."""


def perplexity(sums: Array) -> Any:
    return np.exp(np.minimum(ratio(sums), _LARGEST))


def _bits_and_bytes(records: Columns) -> Array:
    return share(np.asarray(records["loss"]) / math.log(2), records["bytes"])


def _hits(records: Columns) -> Array:
    return share(records["hits"], records["targets"])


PERPLEXITY = SumMetric(MEAN_LOSS.codes, perplexity, higher_is_better=False)
"""The number of equally likely tokens among which the model hesitates."""
BITS_PER_BYTE = SumMetric(_bits_and_bytes, higher_is_better=False)
"""The size of the text stored with the model's help, whatever its tokens are."""
MASKED_ACCURACY = SumMetric(_hits)
"""The share of tokens that were the first choice."""
