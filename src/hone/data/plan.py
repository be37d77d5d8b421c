"""Which rows make up each optimiser step: a function of the seed and the step, for every process of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
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

    @cached_property
    def steps_per_epoch(self) -> int:
        batches = -(-len(self.lengths) // (self.batch_size * self.world))
        return -(-batches // self.accumulate)

    def steps(self, first: int) -> Iterator[tuple[int, list[Micro]]]:
        """The numbered steps from `first` on (the run's first is 1), without end."""
        start, skip = divmod(first - 1, self.steps_per_epoch)
        number = count(first)
        for epoch in count(start):
            for step in islice(self.epoch(epoch), skip, None):
                yield next(number), step
            skip = 0

    def epoch(self, epoch: int) -> list[list[Micro]]:
        """The steps of an epoch, each in forward passes."""
        rng = seeds.stream(self.seed, "order", epoch)
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
