"""Which rows make up each optimiser step: a function of the seed and the step, for every process of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from hone import seeds
from hone.batching.base import Batching, Index


@final
@dataclass(frozen=True)
class Micro:
    """One forward pass: its rows, and whether they count (a process without rows stands in with one that does not)."""

    rows: Index
    counts: bool


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """The training rows of one process among `world`; an optimiser step never crosses the end of an epoch."""

    lengths: Index
    batching: Batching
    batch_size: int
    accumulate: int
    seed: int
    rank: int = 0
    world: int = 1

    def measure(self, rows: int) -> tuple[int, int]:
        """How many batches so many rows make, and how many steps."""
        batches = -(-rows // (self.batch_size * self.world))
        return batches, -(-batches // self.accumulate)

    def epoch(self, *place: int) -> list[list[Micro]]:
        """The steps of an epoch, or of a window of it, each in forward passes."""
        rng = seeds.stream(self.seed, "order", *place)
        batches = self.batching.epoch(self.lengths, self.batch_size * self.world, rng)
        micros = [self._share(batch) for batch in batches]
        return [micros[start : start + self.accumulate] for start in range(0, len(micros), self.accumulate)]

    def _share(self, batch: Index) -> Micro:
        mine = batch[self.rank :: self.world]
        return Micro(mine, True) if len(mine) else Micro(batch[:1], False)


def sorted_batches(lengths: Index, size: int) -> list[Index]:
    """Rows for evaluation, longest first: hardly any padding, and the batch that needs most memory comes at once."""
    order = np.argsort(-lengths, kind="stable")
    return [order[start : start + size] for start in range(0, len(order), size)]
