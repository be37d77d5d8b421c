"""Batches of rows drawn at random: the textbook form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from hone.batching.base import Batching, By, Index
from hone.types import Pack


@final
@dataclass(frozen=True)
class Random(Batching):
    """A new permutation every epoch."""

    pack: Pack = "auto"
    split: bool = True
    by: By = "examples"

    def epoch(self, lengths: Index, size: int, rng: np.random.Generator) -> list[Index]:
        return self.cut(rng.permutation(len(lengths)), lengths, size)
