"""A metric of a split: a function of what the records add up to, or of all of them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

Array = np.ndarray[Any, Any]
Columns = dict[str, Any]
Scores = dict[str, float]

_AT_ONCE = 4_000_000
"""Numbers that are added up in one go."""


@final
@dataclass(frozen=True)
class PlainMetric:
    """A metric that needs all records at once, such as a rank correlation."""

    function: Callable[[Columns], float | Scores]
    """One score, or several by name, "" being the whole."""
    higher_is_better: bool = True
    signature: str = ""
    """What else must be equal for two scores to be comparable, where a library has a text for it."""

    def compute(self, records: Columns) -> float | Scores:
        return self.function(records)


def ratio(sums: Array) -> Any:
    """The first column divided by the second; 0 where the second is 0."""
    count = sums[..., 1]
    return np.where(count > 0, sums[..., 0] / np.where(count > 0, count, 1), 0.0)


def ratios(sums: Array) -> Any:
    """All columns but the last, divided by the last; not a number where that is 0."""
    count = sums[..., -1:]
    return np.where(count > 0, sums[..., :-1] / np.where(count > 0, count, 1), np.nan)


def unchanged(codes: Array) -> Array:
    """For codes that can be added up as they are."""
    return codes


@final
@dataclass(frozen=True)
class SumMetric:
    """The score of what the records add up to, so that `hone compare` can compute it of any resample of them.

    `score` and `expand` are functions of a module, or partials of one: a run's folder names them.
    """

    codes: Callable[[Columns], Any]
    """A number a record, of which the score is the mean; or a row of numbers a record."""
    score: Callable[[Array], Any] = ratio
    """From sums, along the last axis, to a score; to one score a part where there are `parts`."""
    expand: Callable[[Array], Array] = unchanged
    """From codes to what is added up. Records with equal codes add the same, so few numbers make a good code."""
    parts: tuple[str, ...] = ()
    """The names of the scores where there are several, "" being the whole."""
    higher_is_better: bool = True
    signature: str = ""
    """As that of a `PlainMetric`."""

    def compute(self, records: Columns) -> float | Scores:
        return self.score_codes(code_rows(self.codes(records)))

    def score_codes(self, codes: Array) -> float | Scores:
        """The score of all records, each once; parts that have none are left out."""
        scores = self.score(self._add(codes))
        if not self.parts:
            return float(scores)
        return {name: float(score) for name, score in zip(self.parts, scores, strict=True) if not np.isnan(score)}

    def _add(self, codes: Array) -> Array:
        """A few at a time: a code may be much shorter than what it stands for."""
        width = self.expand(codes[:1]).shape[-1]
        step = max(1, _AT_ONCE // max(width, 1))
        sums = [self.expand(codes[start : start + step]).sum(axis=0) for start in range(0, len(codes), step)]
        return np.sum(sums, axis=0) if sums else np.zeros(width)


Metric = SumMetric | PlainMetric
"""One number, or several by name, from all the records of a split."""


def code_rows(codes: Any) -> Array:
    """Codes as rows: single numbers become rows that add up to a mean."""
    rows = np.asarray(codes)
    if rows.ndim > 1:
        return rows
    return np.stack([rows.astype(np.float64), np.ones(len(rows))], axis=1)


def ratio_codes(amounts: Any, counts: Any) -> Array:
    """Codes of a metric that is one sum divided by another."""
    return np.stack([np.asarray(amounts, dtype=np.float64), np.asarray(counts, dtype=np.float64)], axis=1)


def _losses(records: Columns) -> Array:
    return ratio_codes(records["loss"], records["targets"])


MEAN_LOSS = SumMetric(_losses, higher_is_better=False)
"""The loss over a split; each record has the weight of its targets."""
