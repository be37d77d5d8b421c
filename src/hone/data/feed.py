"""Where training steps get their rows: a split that was loaded, or (`streamed`) one that is read on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import final

from datasets import Dataset

from hone.batching.base import Index
from hone.data.columns import distinct
from hone.data.plan import Micro, Plan

Numbered = tuple[int, list[Micro], "Pool"]


@final
@dataclass(frozen=True, eq=False)
class Pool:
    """Encoded rows in memory or mapped into it, of which steps are made by place."""

    rows: Dataset
    lengths: Index


class Feed(ABC):
    """Steps as forward passes over the rows of a pool: a function of seed, epoch and step."""

    batches_per_epoch: int
    steps_per_epoch: int

    @abstractmethod
    def epoch(self, epoch: int, skip: int = 0) -> Iterator[tuple[list[Micro], Pool]]:
        """The steps of an epoch without the first few."""

    @abstractmethod
    def beginning(self) -> Pool:
        """Some rows, to try things out on."""

    @abstractmethod
    def tokens_seen(self) -> Index | None:
        """The ids of the tokens in all rows, where that is known."""

    @final
    def steps(self, first: int) -> Iterator[Numbered]:
        """The numbered steps from `first` on (the run's first is 1), without end."""
        start, skip = divmod(first - 1, self.steps_per_epoch)
        number = count(first)
        for epoch in count(start):
            for micros, pool in self.epoch(epoch, skip):
                yield next(number), micros, pool
            skip = 0


@final
class Loaded(Feed):
    """One pool has everything."""

    def __init__(self, pool: Pool, plan: Plan) -> None:
        self.pool, self.plan = pool, plan
        self.batches_per_epoch, self.steps_per_epoch = plan.measure(len(plan.lengths))

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[tuple[list[Micro], Pool]]:
        return ((micros, self.pool) for micros in islice(self.plan.epoch(epoch), skip, None))

    def beginning(self) -> Pool:
        return self.pool

    def tokens_seen(self) -> Index | None:
        rows = self.pool.rows
        return distinct(rows, "input_ids") if "input_ids" in rows.column_names else None
