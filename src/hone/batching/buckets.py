"""Batches of rows of like length: little padding, at the price of batches that are less random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from hone.batching.base import Batching, Index, cut
from hone.types import Count, Pack


@final
@dataclass(frozen=True)
class Buckets(Batching):
    """Shuffles all rows, sorts each pool of so many batches by length, cuts it up and shuffles the batches."""

    pool: Count = 4
    pack: Pack = "auto"

    @property
    def span(self) -> int:
        return self.pool

    def epoch(self, lengths: Index, size: int, rng: np.random.Generator) -> list[Index]:
        batches: list[Index] = []
        for pool in cut(rng.permutation(len(lengths)), self.pool * size):
            batches += cut(pool[np.argsort(lengths[pool], kind="stable")], size)
        return [batches[place] for place in rng.permutation(len(batches))]
