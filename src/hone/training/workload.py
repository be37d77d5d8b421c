"""How much work a run is: steps, batches, tokens, and how much of a batch is padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Self, final

import numpy as np
from datasets import Dataset

from hone.config.settings import TrainSettings
from hone.core.columns import RowIndices, row_lengths
from hone.core.task import Task
from hone.data.plan import Micro, Plan, Pool
from hone.data.streaming import Row
from hone.training.course import Course
from hone.training.parts import RunParts
from hone.training.prepare import Prepared

_SAMPLE = 4096
"""Rows of a stream that stand for all of them."""
_LOOKED_AT = 5_000
"""Steps among which the heaviest are looked for."""


@final
@dataclass(frozen=True)
class Outline:
    """Of one process, where there are several; `examples` are rows as the network reads them."""

    course: Course
    plan: Plan
    pools: Mapping[str, Pool]
    """The rows of each split; of a stream's some, where `sampled` is how many times as many there are."""
    examples: Mapping[str, int]
    tokens: Mapping[str, int]
    """Of a pass over each split."""
    batches: int
    """Forward passes an epoch."""
    padding: float
    """The share of padded training batches that is filling."""
    sampled: float

    @classmethod
    def of(cls, parts: RunParts, settings: TrainSettings, known: Prepared) -> Self:
        pools = {split: _pool(parts, known, split) for split in known.rows.sizes}
        told = (parts.batch, settings.batch_size, settings.accumulate, settings.seed, 0, settings.devices)
        plan = Plan(pools["train"].lengths, *told)
        size, stream = known.rows.sizes["train"], known.rows.stream
        batches, steps = (plan.batches(0), plan.steps_per_epoch) if stream is None else plan.measure(size)
        sampled = 1.0 if stream is None else size / len(plan.lengths)
        real, padded = _tokens([micro for step in plan.epoch(0) for micro in step], plan.lengths)
        tokens = {split: int(pool.lengths.sum()) for split, pool in pools.items()}
        examples = {split: len(pool.lengths) for split, pool in pools.items()}
        if stream is not None:
            tokens["train"], examples["train"] = round(tokens["train"] * sampled), size
        course = Course.of(settings, steps, size)
        return cls(course, plan, pools, examples, tokens, batches, 1 - real / max(padded, 1), sampled)

    @property
    def evaluations(self) -> int:
        """Of the validation split during the training."""
        return _times(self.course.evaluate_every, self.course.steps)

    @property
    def checkpoints(self) -> int:
        """How many are written, most of them to be deleted again."""
        return max(self.evaluations, _times(self.course.save_every, self.course.steps))

    @property
    def epochs(self) -> float:
        return self.course.epoch(self.course.steps)

    def heaviest(self) -> list[tuple[int, Micro]]:
        """The steps and forward passes of the run that need most memory by one of several measures."""
        first = islice(self.plan.steps(1), min(_LOOKED_AT, self.course.steps))
        passes = [(number, micro) for number, step in first for micro in step if micro.counts]
        sizes = [self.plan.lengths[micro.rows] for _, micro in passes]
        ways = (
            [int(each.sum()) for each in sizes],
            [len(each) * int(each.max()) for each in sizes],
            [int((each * each).sum()) for each in sizes],
        )
        return [passes[place] for place in dict.fromkeys(int(np.argmax(way)) for way in ways)]


def _pool(parts: RunParts, known: Prepared, split: str) -> Pool:
    """The rows of a split, or some of a stream's, and how much of each the network reads."""
    stream = known.rows.stream if split == "train" else None
    rows = known.encoded[split] if stream is None else _some(known.task, list(islice(stream.rows(), _SAMPLE)))
    ready = rows.with_format("arrow")
    one = np.ones(len(ready), dtype=np.int64)  # of features
    return Pool(ready, one if parts.head.precomputes else row_lengths(ready))


def _some(task: Task, rows: list[Row]) -> Dataset:
    return Dataset.from_dict(task.encode({role: [row[role] for row in rows] for role in rows[0]}))


def _tokens(micros: list[Micro], of_rows: RowIndices) -> tuple[int, int]:
    """Real ones, and those of the rectangles they are padded to."""
    sizes = [of_rows[micro.rows] for micro in micros if micro.counts]
    return sum(int(each.sum()) for each in sizes), sum(len(each) * int(each.max()) for each in sizes)


def _times(every: int | None, steps: int) -> int:
    """How often something happens that always happens at the last step."""
    return 1 if every is None else -(-steps // every)
