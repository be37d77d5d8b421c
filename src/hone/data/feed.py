"""Where training steps get their rows: a split that was loaded, or (`streamed`) one that is read on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from datasets import Dataset

from hone.core.columns import Index
from hone.data.plan import Micro, Plan


@final
@dataclass(frozen=True, eq=False)
class Pool:
    """Encoded rows in memory or mapped into it, of which steps are made by place."""

    rows: Dataset
    lengths: Index


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
