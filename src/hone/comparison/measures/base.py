"""A metric in two halves: what each record adds, and what the score of the sums is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

Array = np.ndarray[Any, Any]
Read = Callable[[str], Any]
"""A column of the records by its name; a KeyError where they have none."""


def as_they_are(codes: Array) -> Array:
    """Codes that are sums already."""
    return codes


@final
@dataclass(frozen=True)
class Measure:
    """Records with equal codes add the same, which makes resampling thousands of them cheap."""

    codes: Array
    """A row of numbers for each record."""
    finish: Callable[[Array], Any]
    """From sums (their last axis) to scores."""
    expand: Callable[[Array], Array] = as_they_are
    """From codes to what is added up."""

    def score(self) -> float:
        """Of all records, each once."""
        return float(self.finish(self.expand(self.codes).sum(axis=0)))


@final
@dataclass(frozen=True)
class Told:
    """What else a measure may want to know of a run: its labels, the options of its task."""

    labels: tuple[str, ...]
    options: Mapping[str, Any]


Maker = Callable[[Read, Told], Measure]
"""Makes the measure of a run's records; a KeyError or ValueError where they are of another kind."""


def ratio(sums: Array) -> Any:
    """The first column for each of the second."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1e-12)


def mean_of(values: Any) -> Measure:
    """A metric that is the mean of a number a record."""
    numbers = np.asarray(values, dtype=np.float64)
    return Measure(np.stack([numbers, np.ones(len(numbers))], axis=1), ratio)


def share_of(hits: Any, targets: Any) -> Measure:
    """A metric that is one sum over another."""
    columns = [np.asarray(hits, dtype=np.float64), np.asarray(targets, dtype=np.float64)]
    return Measure(np.stack(columns, axis=1), ratio)
