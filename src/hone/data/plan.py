"""Which rows make up each optimiser step: a function of the seed and the step number, in every process of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import final

import numpy as np

from hone.core import seeds
from hone.core.columns import RowIndices
from hone.data.batching import Batching, Random
from hone.data.encoded_rows import EncodedRows


@final
@dataclass(frozen=True)
class MicroBatch:
    """The rows of one forward pass."""

    rows: RowIndices
    counts: bool
    """Whether the rows count. A process without rows of its own repeats one that does not count."""


@final
@dataclass(frozen=True, eq=False)
class PlannedStep:
    """The forward passes of a step, the rows whose places they name, and the epoch."""

    passes: list[MicroBatch]
    rows: EncodedRows
    epoch: int


@final
@dataclass(frozen=True, eq=False)
class StepPlan:
    """Plans the steps of one process among `world`; an optimiser step never crosses the end of an epoch."""

    lengths: RowIndices
    batching: Batching
    batch_size: int
    accumulate: int
    seed: int
    rank: int = 0
    world: int = 1

    @cached_property
    def steps_per_epoch(self) -> int:
        """The steps of the first epoch; where batches are counted in tokens, other epochs may differ by a few."""
        return len(self.epoch(0)) if self.batching.by == "tokens" else self.count_for_rows(len(self.lengths))[1]

    def count_batches(self, epoch: int) -> int:
        """Returns the number of forward passes in an epoch."""
        if self.batching.by == "tokens":
            return sum(len(step) for step in self.epoch(epoch))
        return self.count_for_rows(len(self.lengths))[0]

    def count_for_rows(self, rows: int) -> tuple[int, int]:
        """Returns how many batches and how many steps this many rows make, where `batch_size` counts examples."""
        batches = -(-rows // (self.batch_size * self.world))
        return batches, -(-batches // self.accumulate)

    def steps(self, first: int) -> Iterator[tuple[int, int, list[MicroBatch]]]:
        """Yields the number, the epoch and the passes of each step from `first` on, without end.

        The first step of a run is 1."""
        steps = ((epoch, step) for epoch in count() for step in self.epoch(epoch))
        numbered = ((number, epoch, step) for number, (epoch, step) in enumerate(steps, start=1))
        return islice(numbered, first - 1, None)

    def epoch(self, *place: int) -> list[list[MicroBatch]]:
        """Returns the steps of an epoch, or of a window of an epoch, as lists of forward passes."""
        rng = seeds.stream(self.seed, "order", *place)
        batches = self.batching.epoch(self.lengths, self.batch_size * self.world, rng)
        micros = [self._take_share(batch) for batch in batches]
        return [micros[start : start + self.accumulate] for start in range(0, len(micros), self.accumulate)]

    def _take_share(self, batch: RowIndices) -> MicroBatch:
        share = batch[self.rank :: self.world]
        return MicroBatch(share, True) if len(share) else MicroBatch(batch[:1], False)


def sorted_batches(lengths: RowIndices, size: int, batching: Batching | None = None) -> list[RowIndices]:
    """Returns batches for evaluation, longest rows first: little padding, and the largest batch fails at once."""
    order = np.argsort(-lengths, kind="stable")
    return (batching or Random()).divide(order, lengths, size)


class Feed(ABC):
    """The contract of what feeds the training: steps as a function of seed, epoch and step number."""

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """The number of steps by which durations in epochs are converted."""

    @abstractmethod
    def count_batches(self, epoch: int) -> int:
        """Returns the number of forward passes in an epoch."""

    @abstractmethod
    def epoch(self, epoch: int) -> Iterator[PlannedStep]:
        """Yields the steps of an epoch."""

    @abstractmethod
    def steps(self, first: int) -> Iterator[tuple[int, PlannedStep]]:
        """Yields the numbered steps from `first` on, without end. The first step of a run is 1."""

    @abstractmethod
    def sample_rows(self) -> EncodedRows:
        """Returns some rows for trial passes."""


@final
class LoadedFeed(Feed):
    """Feeds rows that are all loaded."""

    def __init__(self, rows: EncodedRows, plan: StepPlan) -> None:
        self.rows, self.plan = rows, plan

    @property
    def steps_per_epoch(self) -> int:
        return self.plan.steps_per_epoch

    def count_batches(self, epoch: int) -> int:
        return self.plan.count_batches(epoch)

    def epoch(self, epoch: int) -> Iterator[PlannedStep]:
        return (PlannedStep(passes, self.rows, epoch) for passes in self.plan.epoch(epoch))

    def steps(self, first: int) -> Iterator[tuple[int, PlannedStep]]:
        return ((number, PlannedStep(passes, self.rows, epoch)) for number, epoch, passes in self.plan.steps(first))

    def sample_rows(self) -> EncodedRows:
        return self.rows
