"""Metrics of a split: functions of sums over the records, or of all records at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

Array = np.ndarray[Any, Any]
Columns = dict[str, Any]
Scores = dict[str, float]

_AT_ONCE = 4_000_000
"""The number of values to add up in one go."""


@final
@dataclass(frozen=True)
class PlainMetric:
    """A metric that needs all records at once, such as a rank correlation."""

    function: Callable[[Columns], float | Scores]
    """Returns one score, or several by name; the name "" is the overall score."""
    higher_is_better: bool = True
    signature: str = ""
    """A library's description of the settings that two comparable scores must share, such as that of sacrebleu."""

    def compute(self, records: Columns) -> float | Scores:
        return self.function(records)


def ratio(sums: Array) -> Any:
    """Return the first column divided by the second; 0 where the second is 0."""
    count = sums[..., 1]
    return np.where(count > 0, sums[..., 0] / np.where(count > 0, count, 1), 0.0)


def ratios(sums: Array) -> Any:
    """Return all columns but the last, divided by the last; NaN where that is 0."""
    count = sums[..., -1:]
    return np.where(count > 0, sums[..., :-1] / np.where(count > 0, count, 1), np.nan)


def unchanged(codes: Array) -> Array:
    """Return the codes themselves: they can be added up as they are."""
    return codes


@final
@dataclass(frozen=True)
class SumMetric:
    """A metric that is a function of sums over the records, so that `hone compare` can compute it for any resample.

    `score` and `expand` are functions of a module, or partials of one, because a run's folder stores their names.
    """

    codes: Callable[[Columns], Any]
    """Returns one number per record, whose mean is the score; or one row of numbers per record."""
    score: Callable[[Array], Any] = ratio
    """Turns sums, along the last axis, into the score; into one score per part if there are `parts`."""
    expand: Callable[[Array], Array] = unchanged
    """Turns codes into the numbers that are added up. Codes are what is stored, so they should be short."""
    parts: tuple[str, ...] = ()
    """The names of the scores if there are several; the name "" is the overall score."""
    higher_is_better: bool = True
    signature: str = ""
    """See `PlainMetric`."""

    def compute(self, records: Columns) -> float | Scores:
        return self.score_codes(code_rows(self.codes(records)))

    def score_codes(self, codes: Array) -> float | Scores:
        """Return the score of all records. Parts without a score are left out."""
        scores = self.score(self._add(codes))
        if not self.parts:
            return float(scores)
        return {name: float(score) for name, score in zip(self.parts, scores, strict=True) if not np.isnan(score)}

    def _add(self, codes: Array) -> Array:
        """Add up all records, a block at a time: an expanded code may be much longer than the code."""
        width = self.expand(codes[:1]).shape[-1]
        step = max(1, _AT_ONCE // max(width, 1))
        sums = [self.expand(codes[start : start + step]).sum(axis=0) for start in range(0, len(codes), step)]
        return np.sum(sums, axis=0) if sums else np.zeros(width)


Metric = SumMetric | PlainMetric
"""One number, or several by name, from all the records of a split."""


def code_rows(codes: Any) -> Array:
    """Return codes as rows. Single numbers become pairs `(number, 1)`, whose sums give the mean."""
    rows = np.asarray(codes)
    if rows.ndim > 1:
        return rows
    return np.stack([rows.astype(np.float64), np.ones(len(rows))], axis=1)


def ratio_codes(amounts: Any, counts: Any) -> Array:
    """Return the codes of a metric that is one sum divided by another."""
    return np.stack([np.asarray(amounts, dtype=np.float64), np.asarray(counts, dtype=np.float64)], axis=1)


def _losses(records: Columns) -> Array:
    return ratio_codes(records["loss"], records["targets"])


MEAN_LOSS = SumMetric(_losses, higher_is_better=False)
"""The mean loss of a split, weighted by the number of targets of each record."""
