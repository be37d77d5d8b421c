"""Which rows share a batch: an epoch's rows in batches, decided by their lengths and a random stream alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from hone.core.columns import RowIndices
from hone.core.value_types import Count, NotNegative, Switch

By = Literal["examples", "tokens"]

_PASS = 160
"""The cost of one more forward and backward pass, in tokens; measured on CPUs."""


class Batching(ABC):
    """The contract of a config's `batch`; every kind has these keys."""

    pack: Switch
    """Whether the layers see real tokens alone; auto: where the network allows it."""
    split: Switch
    """Whether a padded batch is computed in parts of similar length; auto: on CPUs, where the cost was measured."""
    by: By
    """What `batch_size` counts."""

    @property
    def span(self) -> int:
        """How many batches are made from the same rows; a stream prepares at least as many at a time."""
        return 1

    @abstractmethod
    def epoch(self, lengths: RowIndices, size: int, rng: np.random.Generator) -> list[RowIndices]:
        """Returns every row once, in batches of `size`; some may be smaller."""

    @final
    def splits_on(self, device_type: str) -> bool:
        """Whether padded batches are computed in parts on devices of this type."""
        return device_type == "cpu" if self.split == "auto" else self.split

    @final
    def cut(self, rows: RowIndices, lengths: RowIndices, size: int) -> list[RowIndices]:
        """Returns consecutive pieces of `size` rows, or of `size` tokens, padding included."""
        return _cut_by_tokens(rows, lengths, size) if self.by == "tokens" else _cut(rows, size)


@final
@dataclass(frozen=True)
class Random(Batching):
    """Rows drawn at random, by a new permutation every epoch: the textbook form."""

    pack: Switch = "auto"
    split: Switch = "auto"
    by: By = "examples"

    def epoch(self, lengths: RowIndices, size: int, rng: np.random.Generator) -> list[RowIndices]:
        return self.cut(rng.permutation(len(lengths)), lengths, size)


@final
@dataclass(frozen=True)
class Buckets(Batching):
    """Rows of similar length: little padding, but batches that are less random.

    All rows are shuffled and divided into pools of `pool` batches. Each pool is sorted by length and cut into batches,
    and the batches are shuffled.
    """

    pool: Count = 4
    noise: NotNegative = 0.0
    pack: Switch = "auto"
    split: Switch = "auto"
    by: By = "examples"

    @property
    def span(self) -> int:
        return self.pool

    def epoch(self, lengths: RowIndices, size: int, rng: np.random.Generator) -> list[RowIndices]:
        batches: list[RowIndices] = []
        for pool in self.cut(rng.permutation(len(lengths)), lengths, self.pool * size):
            noisy = lengths[pool] * (1 + rng.uniform(-self.noise, self.noise, len(pool)))
            batches += self.cut(pool[np.argsort(noisy, kind="stable")], lengths, size)
        return [batches[place] for place in rng.permutation(len(batches))]


def parts(lengths: RowIndices) -> list[RowIndices]:
    """Returns the rows' places in the cheapest division of a padded batch into parts of similar length.

    The parts' gradients add up to those of the batch, and the parts have far less padding.
    """
    order = np.argsort(lengths, kind="stable")
    widths, count = lengths[order], len(lengths)
    least, begins = np.zeros(count + 1), np.zeros(count + 1, dtype=np.int64)
    for stop in range(1, count + 1):
        costs = least[:stop] + widths[stop - 1] * np.arange(stop, 0, -1) + _PASS
        begins[stop] = np.argmin(costs)
        least[stop] = costs[begins[stop]]
    cuts = [count]
    while cuts[-1] > 0:
        cuts.append(int(begins[cuts[-1]]))
    return [order[start:stop] for start, stop in zip(cuts[1:], cuts[:-1], strict=True)]


def _cut(rows: RowIndices, size: int) -> list[RowIndices]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _cut_by_tokens(rows: RowIndices, lengths: RowIndices, size: int) -> list[RowIndices]:
    starts, longest = [0], 0
    for place, length in enumerate(lengths[rows].tolist()):
        longest = max(longest, length)
        if longest * (place + 1 - starts[-1]) > size and place > starts[-1]:
            starts.append(place)
            longest = length
    return [rows[start:stop] for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True) if stop > start]
