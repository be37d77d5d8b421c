"""Training steps from a stream: read, shuffled, encoded and batched a window at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, islice
from typing import final

import numpy as np
from datasets import Dataset

from hone.core import seeds
from hone.core.columns import lengths
from hone.core.errors import RunError, UserError
from hone.core.task import Task
from hone.data.feed import Feed, Planned, Pool
from hone.data.plan import Plan
from hone.data.stream import Row, Stream
from hone.data.survey import UNREADABLE

_WINDOW = 1024
"""Rows encoded together: enough for a tokenizer to be quick, few enough to be ready at once."""


@final
class Streamed(Feed):
    """Every process reads and encodes all rows, so that each knows what the others do; `plan` lacks its lengths."""

    def __init__(self, stream: Stream, task: Task, plan: Plan) -> None:
        self.stream, self.task, self.plan = stream, task, plan
        self.measured = plan.measure(stream.size)
        step = plan.batch_size * plan.world * plan.accumulate
        together = step * plan.batching.span
        self.window = together * max(1, _WINDOW // together)

    @property
    def steps_per_epoch(self) -> int:
        return self.measured[1]

    def batches(self, epoch: int) -> int:
        return self.measured[0]

    def steps(self, first: int) -> Iterator[tuple[int, Planned]]:
        start, skip = divmod(first - 1, self.steps_per_epoch)
        steps = (step for epoch in count(start) for step in self.epoch(epoch, skip if epoch == start else 0))
        return enumerate(steps, start=first)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Planned]:
        """Steps that were done before are counted off their rows, which are read but not encoded."""
        with _no_mistake_any_more(self.stream):
            for place, rows in enumerate(self._windows(epoch)):
                _, steps = self.plan.measure(len(rows))
                if skip < steps:
                    pool = self._encoded(rows)
                    planned = replace(self.plan, lengths=pool.lengths).epoch(epoch, place)
                    yield from ((micros, pool) for micros in planned[skip:])
                skip = max(skip - steps, 0)

    def beginning(self) -> Pool:
        return self._encoded(list(islice(self.stream.rows(), 64)))

    def _windows(self, epoch: int) -> Iterator[Sequence[Row]]:
        found, rows = 0, self.stream.epoch(seeds.stream(self.plan.seed, "shuffle", epoch))
        while window := list(islice(rows, self.window)):
            found += len(window)
            yield window
        if found != self.stream.size:
            raise RunError(f"{self.stream.source.name}: {self.stream.size} rows before the training, now {found}.")

    def _encoded(self, rows: Sequence[Row]) -> Pool:
        encoded = Dataset.from_dict(self.task.encode({role: [row[role] for row in rows] for role in rows[0]}))
        if len(encoded) != len(rows):
            raise UserError("dataset.streaming=true: the task makes several rows of one, and their number is unknown.")
        ready = encoded.with_format("arrow")
        return Pool(ready, np.asarray(lengths(ready)))


@contextmanager
def _no_mistake_any_more(stream: Stream) -> Iterator[None]:
    """What goes wrong during the training ends a run that is worth keeping."""
    try:
        yield
    except (*UNREADABLE, UserError) as error:
        raise RunError(f"{stream.source.name}: the training rows cannot be read any more: {error}") from error
