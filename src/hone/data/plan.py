"""Which rows make up each optimiser step: a function of the seed and the step, for every process of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import final

import numpy as np
from datasets import Dataset

from hone.core import seeds
from hone.core.columns import RowIndices
from hone.data.batching import Batching, Random


@final
@dataclass(frozen=True)
class Micro:
    """One forward pass: its rows, and whether they count (a process without rows stands in with one that does not)."""

    rows: RowIndices
    counts: bool


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """The training rows of one process among `world`; an optimiser step never crosses the end of an epoch."""

    lengths: RowIndices
    batching: Batching
    batch_size: int
    accumulate: int
    seed: int
    rank: int = 0
    world: int = 1

    @cached_property
    def steps_per_epoch(self) -> int:
        """Of the first epoch; where batches are cut by tokens, others may have a few more or less."""
        return len(self.epoch(0)) if self.batching.by == "tokens" else self.measure(len(self.lengths))[1]

    def batches(self, epoch: int) -> int:
        """How many forward passes an epoch has."""
        if self.batching.by == "tokens":
            return sum(len(step) for step in self.epoch(epoch))
        return self.measure(len(self.lengths))[0]

    def measure(self, rows: int) -> tuple[int, int]:
        """How many batches so many rows make, and how many steps; where batches are cut by tokens, nobody can say."""
        batches = -(-rows // (self.batch_size * self.world))
        return batches, -(-batches // self.accumulate)

    def steps(self, first: int) -> Iterator[tuple[int, list[Micro]]]:
        """The numbered steps from `first` on (the run's first is 1), without end."""
        steps = (step for epoch in count() for step in self.epoch(epoch))
        return islice(enumerate(steps, start=1), first - 1, None)

    def epoch(self, *place: int) -> list[list[Micro]]:
        """The steps of an epoch, or of a window of it, each in forward passes."""
        rng = seeds.stream(self.seed, "order", *place)
        batches = self.batching.epoch(self.lengths, self.batch_size * self.world, rng)
        micros = [self._share(batch) for batch in batches]
        return [micros[start : start + self.accumulate] for start in range(0, len(micros), self.accumulate)]

    def _share(self, batch: RowIndices) -> Micro:
        mine = batch[self.rank :: self.world]
        return Micro(mine, True) if len(mine) else Micro(batch[:1], False)


def sorted_batches(lengths: RowIndices, size: int, batching: Batching | None = None) -> list[RowIndices]:
    """Rows for evaluation, longest first: hardly any padding, and the batch that needs most memory comes at once."""
    order = np.argsort(-lengths, kind="stable")
    return (batching or Random()).cut(order, lengths, size)


@final
@dataclass(frozen=True, eq=False)
class Pool:
    """Encoded rows in memory or mapped into it, of which steps are made by place."""

    rows: Dataset
    lengths: RowIndices


Planned = tuple[list[Micro], Pool]
"""The forward passes of a step, and the rows whose places they name."""


class Feed(ABC):
    """Steps as forward passes over the rows of a pool: a function of seed, epoch and step."""

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """What durations in epochs are counted in."""

    @abstractmethod
    def batches(self, epoch: int) -> int:
        """How many forward passes an epoch has."""

    @abstractmethod
    def epoch(self, epoch: int) -> Iterator[Planned]:
        """The steps of an epoch."""

    @abstractmethod
    def steps(self, first: int) -> Iterator[tuple[int, Planned]]:
        """The numbered steps from `first` on (the run's first is 1), without end."""

    @abstractmethod
    def beginning(self) -> Pool:
        """Some rows, to try things out on."""


@final
class Loaded(Feed):
    """One pool has everything."""

    def __init__(self, pool: Pool, plan: Plan) -> None:
        self.pool, self.plan = pool, plan

    @property
    def steps_per_epoch(self) -> int:
        return self.plan.steps_per_epoch

    def batches(self, epoch: int) -> int:
        return self.plan.batches(epoch)

    def epoch(self, epoch: int) -> Iterator[Planned]:
        return ((micros, self.pool) for micros in self.plan.epoch(epoch))

    def steps(self, first: int) -> Iterator[tuple[int, Planned]]:
        return ((number, (micros, self.pool)) for number, micros in self.plan.steps(first))

    def beginning(self) -> Pool:
        return self.pool
