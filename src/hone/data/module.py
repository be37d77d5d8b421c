"""The one LightningDataModule: serves encoded rows as batches, to hone's loop and to a stock `lightning.Trainer`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import final

import numpy as np
from lightning import LightningDataModule

from hone.core.columns import RowIndices, draw_rows
from hone.core.errors import RowError, UserError
from hone.core.task import Batch, Task
from hone.core.value_types import StepWorkers
from hone.data.batching import Batching, Halvings, split_by_length
from hone.data.encoded_rows import EncodedRows
from hone.data.left_out import REMEDY, LeftOut, MakeBatch, UsableBatch, make_substitute, make_usable
from hone.data.plan import Feed, LoadedFeed, MicroBatch, PlannedStep, StepPlan, sorted_batches
from hone.data.streaming import Stream, StreamFeed


@final
@dataclass(frozen=True)
class Step:
    """The batches of one optimiser step, what each counts in the loss, and how much of them is padding."""

    number: int
    batches: list[Batch]
    targets: list[float]
    rows: int
    tokens: int
    padded_tokens: int
    left_out: tuple[RowError, ...] = ()
    """What is wrong with the rows that were left out."""


@final
@dataclass(frozen=True)
class TrainPass:
    """The rows of a forward pass, their batch, and what is wrong with the rows that were left out."""

    micro: MicroBatch
    batch: Batch
    errors: tuple[RowError, ...]


@final
class Batches:
    """Batches made on demand. Like a data loader, it has a length and can be iterated repeatedly."""

    def __init__(
        self, plan: list[RowIndices], make: Callable[[int, RowIndices], Batch], split: str = "", skip: bool = False
    ) -> None:
        self.plan = plan
        self.make = make
        self.split, self.skip = split, skip
        self.rows: list[RowIndices] = []
        """The rows of the batches that were made, without those that were left out."""
        self.left_out: list[RowError] = []

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Batch]:
        self.rows, self.left_out = [], []
        for place, rows in enumerate(self.plan):
            usable = make_usable(partial(self.make, place), rows, self.split, self.skip)
            self.left_out += usable.errors
            if usable.batch is not None:
                self.rows.append(usable.places)
                yield usable.batch


@final
class TrainBatches:
    """Training batches of the current epoch, for a stock trainer: each iteration asks anew which epoch that is."""

    def __init__(self, count: Callable[[], int], iterate: Callable[[], Iterator[Batch]]) -> None:
        self.count = count
        self.iterate = iterate

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[Batch]:
        return self.iterate()


@final
class DataModule(LightningDataModule):
    """Takes the encoded splits, or a stream instead of the training split.

    `rank` and `world` say which share of each batch belongs to this process.
    """

    def __init__(
        self,
        splits: Mapping[str, EncodedRows],
        task: Task,
        batching: Batching,
        batch_size: int,
        accumulate: int = 1,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        stream: Stream | None = None,
        skips_bad_rows: bool = False,
    ) -> None:
        super().__init__()
        self.splits = splits
        self.task, self.batching, self.batch_size = task, batching, batch_size
        self.accumulate, self.seed, self.rank, self.world = accumulate, seed, rank, world
        self.stream = stream
        self.splits_batches = False
        """Whether a padded training batch is computed in parts of similar length."""
        self.never_divided = ""
        """Why the results would change if a training batch were computed in parts, or an empty text."""
        self.halvings = Halvings()
        self.workers: StepWorkers = 0
        """How many processes make the training steps."""
        self.skips_bad_rows = skips_bad_rows
        """Whether rows that cannot be decoded are left out. If not, they raise RowError."""
        self.left_out = LeftOut()

    @cached_property
    def feed(self) -> Feed:
        """The source of the training steps' rows."""
        if self.stream is not None:
            return StreamFeed(self.stream, self.task, self._plan(np.empty(0, dtype=np.int64)))
        rows = self.splits["train"]
        return LoadedFeed(rows, self._plan(rows.lengths))

    @property
    def pass_size(self) -> int:
        """The most examples or tokens of a training pass."""
        return max(self.batch_size >> self.halvings.training, 1)

    @property
    def evaluation_size(self) -> int:
        """The most examples or tokens of an evaluation's pass."""
        return max(2 * self.batch_size >> self.halvings.evaluation, 1)

    def steps(self, first: int, every: int = 1) -> Iterator[Step]:
        """Yields the training steps from `first` on, or each of so many, without end."""
        for number, planned in islice(self.feed.steps(first), 0, None, every):
            micros = [part for micro in planned.passes for part in self._split(micro, planned.rows)]
            made = [self._train_batch(number, place, micro, planned) for place, micro in enumerate(micros)]
            yield self._step(number, made, planned.rows.lengths)

    def for_training(self) -> DataModule:
        """Returns a copy without what only evaluations need, to be sent to another process."""
        alone = copy.copy(self)
        alone.splits = {split: rows for split, rows in self.splits.items() if split == "train"}
        vars(alone).pop("feed", None)
        return alone

    def train_dataloader(self) -> TrainBatches:
        """Returns one epoch for a stock trainer, which accumulates gradients itself."""
        return TrainBatches(lambda: self.feed.count_batches(self._epoch()), self._epoch_batches)

    def val_dataloader(self) -> Batches:
        return self.batches("validation")

    def test_dataloader(self) -> Batches:
        return self.batches("test")

    def batches(self, split: str, rank: int = 0, world: int = 1, examples: int | None = None) -> Batches:
        """Returns this process's batches of a split, or of some of its examples, for evaluation.

        The longest rows come first.
        """
        source = self.splits[split]
        places = draw_rows(source.rows, examples)
        batches = sorted_batches(source.lengths[places], 2 * self.batch_size, self.batching)
        plan = [piece for batch in batches[rank::world] for piece in self._fitting(places[batch], source)]
        return Batches(plan, lambda place, rows: source.collate(self.task, rows), split, self.skips_bad_rows)

    def sample_batch(self) -> Batch:
        """Returns a batch of a few training rows of all lengths."""
        source = self.feed.sample_rows()
        order = np.argsort(source.lengths, kind="stable")
        places = np.unique(np.linspace(0, len(order) - 1, 6).round().astype(np.int64))
        make = partial(source.collate, self.task)
        try:
            batch = self._usable(make, order[places], "train").batch
            return make_substitute(make, places, len(order), "train")[0] if batch is None else batch
        except RowError as error:
            raise UserError(f"{error} {REMEDY}") from error

    def example_batch(self) -> Batch | None:
        """Returns a batch of the first validation rows, as many as the task shows to users."""
        rows = self.splits["validation"]
        count = min(self.task.shown, len(rows.rows))
        return self._usable(partial(rows.collate, self.task), np.arange(count), "validation").batch if count else None

    def _plan(self, lengths: RowIndices) -> StepPlan:
        return StepPlan(lengths, self.batching, self.batch_size, self.accumulate, self.seed, self.rank, self.world)

    def _epoch(self) -> int:
        return int(self.trainer.current_epoch) if self.trainer is not None else 0

    def _epoch_batches(self) -> Iterator[Batch]:
        passes = ((micro, planned) for planned in self.feed.epoch(self._epoch()) for micro in planned.passes)
        return (self._train_batch(0, place, micro, planned).batch for place, (micro, planned) in enumerate(passes))

    def _fitting(self, rows: RowIndices, source: EncodedRows) -> list[RowIndices]:
        """Returns the rows of an evaluation's batch in pieces for which there is memory."""
        if not self.halvings.evaluation:
            return [rows]
        return self.batching.divide(rows, source.lengths, self.evaluation_size)

    def _split(self, micro: MicroBatch, source: EncodedRows) -> list[MicroBatch]:
        """Returns a batch in pieces for which there is memory, and these in parts of similar length."""
        pieces = [micro.rows]
        if self.halvings.training:
            pieces = self.batching.divide(micro.rows, source.lengths, self.pass_size)
        if self.splits_batches:
            pieces = [piece[part] for piece in pieces for part in split_by_length(source.lengths[piece])]
        return [MicroBatch(piece, micro.counts) for piece in pieces]

    def _train_batch(self, step: int, place: int, micro: MicroBatch, planned: PlannedStep) -> TrainPass:
        rows, position = planned.rows, (step, place, self.rank)
        make = partial(rows.collate, self.task, training=True, seed=self.seed, epoch=planned.epoch, batch=position)
        usable = self._usable(make, micro.rows, "train")
        if usable.batch is not None:
            return TrainPass(MicroBatch(usable.places, micro.counts), usable.batch, usable.errors)
        batch, other = make_substitute(make, micro.rows, len(rows.lengths), "train")
        return TrainPass(MicroBatch(other, False), batch, usable.errors)

    def _usable(self, make: MakeBatch, places: RowIndices, split: str) -> UsableBatch:
        return make_usable(make, places, split, self.skips_bad_rows)

    def _step(self, number: int, passes: list[TrainPass], lengths: RowIndices) -> Step:
        sizes = [lengths[each.micro.rows] for each in passes if each.micro.counts]
        return Step(
            number,
            [each.batch for each in passes],
            targets=[self.task.count_targets(each.batch) if each.micro.counts else 0.0 for each in passes],
            rows=sum(len(size) for size in sizes),
            tokens=int(sum(size.sum() for size in sizes)),
            padded_tokens=int(sum(len(size) * size.max() for size in sizes)),
            left_out=tuple(error for each in passes for error in each.errors),
        )
