"""Errors of depths, from four sums over the pixels of each picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from hone.core.metric import Array, Columns, SumMetric

CLOSE = 1.25
"""A depth is close if it is at most this many times the true one, and the true one at most this many times it."""


def depth_metrics() -> dict[str, SumMetric]:
    """Return the metrics of records whose `sums` are relative errors, squared errors, close pixels and pixels."""
    return {
        "abs_rel": SumMetric(_sums, relative_error, higher_is_better=False),
        "rmse": SumMetric(_sums, root_mean_square, higher_is_better=False),
        "delta_1": SumMetric(_sums, share_of_close),
    }


def relative_error(sums: Array) -> Any:
    """Return the mean error as a share of the true depth."""
    return _mean(sums, 0)


def root_mean_square(sums: Array) -> Any:
    """Return the root of the mean squared error."""
    return np.sqrt(_mean(sums, 1))


def share_of_close(sums: Array) -> Any:
    """Return the share of pixels whose depth is close."""
    return _mean(sums, 2)


def _sums(records: Columns) -> Array:
    return np.array(list(records["sums"]), dtype=np.float64)


def _mean(sums: Array, column: int) -> Any:
    return sums[..., column] / np.maximum(sums[..., 3], 1)
