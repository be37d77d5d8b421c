"""The contract of batching: an epoch's rows in batches, decided by their lengths and a random stream alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, final

import numpy as np

from hone.types import Pack

Index = np.ndarray[Any, np.dtype[np.int64]]
By = Literal["examples", "tokens"]


class Batching(ABC):
    """A config's `batch`; every way takes these keys."""

    pack: Pack
    """Whether the layers see real tokens alone; auto: where the network allows it."""
    split: bool
    """Whether a batch that is padded goes through in parts of like length."""
    by: By
    """What `batch_size` counts."""

    @property
    def span(self) -> int:
        """How many batches are made of the same rows: a stream gets ready so many at least."""
        return 1

    @abstractmethod
    def epoch(self, lengths: Index, size: int, rng: np.random.Generator) -> list[Index]:
        """Every row once, in batches of `size`; some may be smaller."""

    @final
    def cut(self, rows: Index, lengths: Index, size: int) -> list[Index]:
        """Consecutive pieces of `size` rows, or of `size` tokens once they are padded."""
        return _cut_by_tokens(rows, lengths, size) if self.by == "tokens" else _cut(rows, size)


def _cut(rows: Index, size: int) -> list[Index]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _cut_by_tokens(rows: Index, lengths: Index, size: int) -> list[Index]:
    starts, longest = [0], 0
    for place, length in enumerate(lengths[rows].tolist()):
        longest = max(longest, length)
        if longest * (place + 1 - starts[-1]) > size and place > starts[-1]:
            starts.append(place)
            longest = length
    return [rows[start:stop] for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True) if stop > start]
