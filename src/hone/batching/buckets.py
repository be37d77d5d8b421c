"""Batches of rows of like length: little padding, at the price of batches that are less random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from hone.batching.base import Batching, By, Index
from hone.types import Count, NotNegative, Pack


@final
@dataclass(frozen=True)
class Buckets(Batching):
    """Shuffles all rows, sorts each pool of so many batches by length, cuts it up and shuffles the batches."""

    pool: Count = 4
    noise: NotNegative = 0.0
    pack: Pack = "auto"
    split: bool = True
    by: By = "examples"

    @property
    def span(self) -> int:
        return self.pool

    def epoch(self, lengths: Index, size: int, rng: np.random.Generator) -> list[Index]:
        batches: list[Index] = []
        for pool in self.cut(rng.permutation(len(lengths)), lengths, self.pool * size):
            taken_for = lengths[pool] * (1 + rng.uniform(-self.noise, self.noise, len(pool)))
            batches += self.cut(pool[np.argsort(taken_for, kind="stable")], lengths, size)
        return [batches[place] for place in rng.permutation(len(batches))]
