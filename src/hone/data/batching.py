"""Divides the rows of an epoch into batches. Only the rows' lengths and a random stream decide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from hone.core.columns import RowIndices
from hone.core.value_types import Count, NotNegative, Switch

CountedBy = Literal["examples", "tokens"]

_PASS = 160
"""What one more forward and backward pass costs, expressed in tokens. Measured on CPUs."""


class Batching(ABC):
    """The contract of a config's `batch`. Every kind of batching has these keys."""

    pack: Switch
    """Whether padding is removed before the layers; auto: where the network allows it."""
    split: Switch
    """Whether a padded batch is computed in parts of similar length; auto: on CPUs, where the cost was measured."""
    by: CountedBy
    """The unit of `batch_size`."""

    @property
    def span(self) -> int:
        """How many batches are formed together; a stream prepares at least this many at a time."""
        return 1

    @abstractmethod
    def epoch(self, lengths: RowIndices, size: int, rng: np.random.Generator) -> list[RowIndices]:
        """Returns every row once, in batches of `size`; some may be smaller."""

    @final
    def splits_on(self, device_type: str) -> bool:
        """Returns whether padded batches are computed in parts on devices of this type."""
        return device_type == "cpu" if self.split == "auto" else self.split

    @final
    def divide(self, rows: RowIndices, lengths: RowIndices, size: int) -> list[RowIndices]:
        """Returns consecutive pieces of `size` rows, or of `size` tokens with padding included."""
        return _divide_by_tokens(rows, lengths, size) if self.by == "tokens" else _divide_by_rows(rows, size)


@final
@dataclass(frozen=True)
class Random(Batching):
    """A new random permutation of all rows every epoch."""

    pack: Switch = "auto"
    split: Switch = "auto"
    by: CountedBy = "examples"

    def epoch(self, lengths: RowIndices, size: int, rng: np.random.Generator) -> list[RowIndices]:
        return self.divide(rng.permutation(len(lengths)), lengths, size)


@final
@dataclass(frozen=True)
class Buckets(Batching):
    """Rows of similar length: little padding, but batches that are less random.

    All rows are shuffled and divided into pools of `pool` batches. Each pool is sorted by length and divided into
    batches, and the batches are shuffled.
    """

    pool: Count = 4
    noise: NotNegative = 0.0
    pack: Switch = "auto"
    split: Switch = "auto"
    by: CountedBy = "examples"

    @property
    def span(self) -> int:
        return self.pool

    def epoch(self, lengths: RowIndices, size: int, rng: np.random.Generator) -> list[RowIndices]:
        batches: list[RowIndices] = []
        for pool in self.divide(rng.permutation(len(lengths)), lengths, self.pool * size):
            noisy = lengths[pool] * (1 + rng.uniform(-self.noise, self.noise, len(pool)))
            batches += self.divide(pool[np.argsort(noisy, kind="stable")], lengths, size)
        return [batches[place] for place in rng.permutation(len(batches))]


@final
@dataclass
class Halvings:
    """How often the passes of training and those of evaluations were halved because memory had run out."""

    training: int = 0
    evaluation: int = 0


def split_by_length(lengths: RowIndices) -> list[RowIndices]:
    """Divides a padded batch into parts of similar length and returns the places of each part's rows.

    The division with the lowest cost is chosen. The parts' gradients add up to those of the batch.
    """
    order = np.argsort(lengths, kind="stable")
    widths, count = lengths[order], len(lengths)
    # Dynamic programming over the sorted rows: `least[stop]` is the lowest cost of the first `stop` rows, and
    # `starts[stop]` is where the last part of that division starts. A part costs its padded tokens and one pass.
    least, starts = np.zeros(count + 1), np.zeros(count + 1, dtype=np.int64)
    for stop in range(1, count + 1):
        costs = least[:stop] + widths[stop - 1] * np.arange(stop, 0, -1) + _PASS
        starts[stop] = np.argmin(costs)
        least[stop] = costs[starts[stop]]
    bounds = [count]
    while bounds[-1] > 0:
        bounds.append(int(starts[bounds[-1]]))
    return [order[start:stop] for start, stop in zip(bounds[1:], bounds[:-1], strict=True)]


def _divide_by_rows(rows: RowIndices, size: int) -> list[RowIndices]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _divide_by_tokens(rows: RowIndices, lengths: RowIndices, size: int) -> list[RowIndices]:
    """A piece ends before the row with which its width times its rows would exceed `size`."""
    starts, longest = [0], 0
    for place, length in enumerate(lengths[rows].tolist()):
        longest = max(longest, length)
        if longest * (place + 1 - starts[-1]) > size and place > starts[-1]:
            starts.append(place)
            longest = length
    return [rows[start:stop] for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True) if stop > start]
