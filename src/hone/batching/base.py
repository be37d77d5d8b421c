"""The contract of batching: an epoch's rows in batches, decided by their lengths and a random stream alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from hone.types import Pack

Index = np.ndarray[Any, np.dtype[np.int64]]


class Batching(ABC):
    """A config's `batch`; every way takes `pack`."""

    pack: Pack
    """Whether the layers see real tokens alone; auto: where the network allows it."""

    @property
    def span(self) -> int:
        """How many batches are made of the same rows: a stream gets ready so many at least."""
        return 1

    @abstractmethod
    def epoch(self, lengths: Index, size: int, rng: np.random.Generator) -> list[Index]:
        """Every row once, in batches of `size`; one batch may be smaller."""


def cut(rows: Index, size: int) -> list[Index]:
    """Consecutive pieces of `size` rows."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
