"""The one LightningDataModule: encoded rows served as batches, to our loop and to a stock `lightning.Trainer`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from datasets import Dataset
from lightning import LightningDataModule

from hone.core import seeds
from hone.core.columns import RowIndices, draw_rows, read_columns, row_lengths
from hone.core.task import Batch, Task
from hone.data.batching import Batching, parts
from hone.data.plan import Feed, Loaded, Micro, Plan, Pool, sorted_batches
from hone.data.streaming import Stream, Streamed


@final
@dataclass(frozen=True)
class Step:
    """What one optimiser step reads: batches, what each counts in the loss, and how much was padding."""

    number: int
    batches: list[Batch]
    targets: list[float]
    rows: int
    tokens: int
    padded_tokens: int


@final
class Batches:
    """Batches made on demand; it can be walked again and has a length, as a data loader does."""

    def __init__(self, plan: list[RowIndices], make: Callable[[int, RowIndices], Batch]) -> None:
        self.plan = plan
        self.make = make

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Batch]:
        return (self.make(place, rows) for place, rows in enumerate(self.plan))


@final
class Flow:
    """Training batches as they come; it can be walked again, each time for the epoch at hand, and has its length."""

    def __init__(self, count: Callable[[], int], walk: Callable[[], Iterator[Batch]]) -> None:
        self.count = count
        self.walk = walk

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[Batch]:
        return self.walk()


@final
class DataModule(LightningDataModule):
    """Built with the encoded splits, or a stream in place of the training split; `rank` and `world` say which share of
    each batch is this process's."""

    def __init__(
        self,
        encoded: Mapping[str, Dataset],
        task: Task,
        batching: Batching,
        batch_size: int,
        accumulate: int = 1,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        stream: Stream | None = None,
    ) -> None:
        super().__init__()
        self.splits = {split: rows.with_format("arrow") for split, rows in encoded.items()}
        self.lengths = {split: row_lengths(rows) for split, rows in self.splits.items()}
        self.task, self.batching, self.batch_size = task, batching, batch_size
        self.accumulate, self.seed, self.rank, self.world = accumulate, seed, rank, world
        self.stream = stream
        self.in_parts = False
        """Whether a padded training batch goes through in parts of like length."""

    @cached_property
    def feed(self) -> Feed:
        """Where training steps get their rows."""
        told = (self.batching, self.batch_size, self.accumulate, self.seed, self.rank, self.world)
        if self.stream is not None:
            return Streamed(self.stream, self.task, Plan(np.empty(0, dtype=np.int64), *told))
        return Loaded(Pool(self.splits["train"], self.lengths["train"]), Plan(self.lengths["train"], *told))

    def steps(self, first: int) -> Iterator[Step]:
        """The training steps from `first` on, without end."""
        for number, (whole, pool) in self.feed.steps(first):
            micros = [part for micro in whole for part in self._parts(micro, pool)]
            batches = [self._train_batch(number, place, micro, pool) for place, micro in enumerate(micros)]
            yield self._step(number, micros, batches, pool.lengths)

    def train_dataloader(self) -> Flow:
        """One epoch for a stock trainer, which accumulates by itself."""
        return Flow(lambda: self.feed.batches(self._epoch()), self._flow)

    def val_dataloader(self) -> Batches:
        return self.batches("validation")

    def test_dataloader(self) -> Batches:
        return self.batches("test")

    def batches(self, split: str, rank: int = 0, world: int = 1, examples: int | None = None) -> Batches:
        """A split (or some examples of it) for evaluation, longest rows first; each batch as random every time."""
        places = draw_rows(self.splits[split], examples)
        batches = sorted_batches(self.lengths[split][places], 2 * self.batch_size, self.batching)
        plan = [places[batch] for batch in batches]
        mine = range(rank, len(plan), world)
        return Batches(
            [plan[place] for place in mine],
            lambda place, rows: self._collate(self.splits[split], rows, seeds.stream(0, "collate")),
        )

    def specimen(self) -> Batch:
        """A few training rows of all lengths."""
        pool = self.feed.beginning()
        order = np.argsort(pool.lengths, kind="stable")
        places = np.unique(np.linspace(0, len(order) - 1, 6).round().astype(np.int64))
        return self._collate(pool.rows, order[places], seeds.stream(0, "collate", 0))

    def exhibits(self) -> Batch | None:
        """The first validation rows, as many as the task shows."""
        rows = self.splits["validation"]
        count = min(self.task.shown, len(rows))
        return self._collate(rows, np.arange(count), seeds.stream(0, "collate")) if count else None

    def _flow(self) -> Iterator[Batch]:
        walk = ((micro, pool) for micros, pool in self.feed.epoch(self._epoch()) for micro in micros)
        return (self._train_batch(0, place, micro, pool) for place, (micro, pool) in enumerate(walk))

    def _parts(self, micro: Micro, pool: Pool) -> list[Micro]:
        if not self.in_parts:
            return [micro]
        return [Micro(micro.rows[part], micro.counts) for part in parts(pool.lengths[micro.rows])]

    def _train_batch(self, step: int, place: int, micro: Micro, pool: Pool) -> Batch:
        return self._collate(pool.rows, micro.rows, seeds.stream(self.seed, "collate", step, place))

    def _collate(self, rows: Dataset, places: RowIndices, rng: np.random.Generator) -> Batch:
        return self.task.collate(read_columns(rows, places), rng)

    def _step(self, number: int, micros: list[Micro], batches: list[Batch], of_rows: RowIndices) -> Step:
        counted = zip(micros, batches, strict=True)
        lengths = [of_rows[micro.rows] for micro in micros if micro.counts]
        return Step(
            number,
            batches,
            targets=[self.task.count_targets(batch) if micro.counts else 0.0 for micro, batch in counted],
            rows=sum(len(each) for each in lengths),
            tokens=int(sum(each.sum() for each in lengths)),
            padded_tokens=int(sum(len(each) * each.max() for each in lengths)),
        )

    def _epoch(self) -> int:
        return int(self.trainer.current_epoch) if self.trainer is not None else 0
