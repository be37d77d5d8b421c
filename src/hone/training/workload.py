"""How much work a run is: steps, batches, tokens, and the share of padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Self, final

import numpy as np

from hone.config.settings import TrainSettings
from hone.core.columns import RowIndices
from hone.data.encoded_rows import EncodedRows
from hone.data.plan import MicroBatch, StepPlan
from hone.data.streaming import encode_rows
from hone.training.course import Course
from hone.training.parts import RunParts
from hone.training.prepare import Prepared

_SAMPLE = 4096
"""Rows of a stream that represent all of them."""
_LOOKED_AT = 5_000
"""Steps among which the heaviest ones are searched."""


@final
@dataclass(frozen=True)
class Outline:
    """The work of one process; `examples` counts rows as the network reads them."""

    course: Course
    plan: StepPlan
    pools: Mapping[str, EncodedRows]
    """The rows of each split. A stream has a sample here, and `sampled` times as many rows."""
    examples: Mapping[str, int]
    tokens: Mapping[str, int]
    """Tokens of one pass over each split."""
    batches: int
    """Forward passes per epoch."""
    padding: float
    """The share of padding in padded training batches."""
    sampled: float

    @classmethod
    def of(cls, parts: RunParts, settings: TrainSettings, prepared: Prepared) -> Self:
        pools = {split: _pool(parts, prepared, split) for split in prepared.rows.sizes}
        batching = (parts.batch, settings.batch_size, settings.accumulate, settings.seed)
        plan = StepPlan(pools["train"].lengths, *batching, 0, settings.devices)
        size, stream = prepared.rows.sizes["train"], prepared.rows.stream
        batches, steps = (plan.count_batches(0), plan.steps_per_epoch) if stream is None else plan.count_for_rows(size)
        sampled = 1.0 if stream is None else size / len(plan.lengths)
        real, padded = _count_tokens([micro for step in plan.epoch(0) for micro in step], plan.lengths)
        tokens = {split: int(pool.lengths.sum()) for split, pool in pools.items()}
        examples = {split: len(pool.lengths) for split, pool in pools.items()}
        if stream is not None:
            tokens["train"], examples["train"] = round(tokens["train"] * sampled), size
        course = Course.of(settings, steps, size)
        return cls(course, plan, pools, examples, tokens, batches, 1 - real / max(padded, 1), sampled)

    @property
    def evaluations(self) -> int:
        """The number of evaluations of the validation split."""
        return _times(self.course.evaluate_every, self.course.steps)

    @property
    def epochs(self) -> float:
        return self.course.epoch(self.course.steps)

    def heaviest(self) -> list[tuple[int, MicroBatch]]:
        """Return the forward passes, with their steps, that need most memory by one of several measures."""
        first = islice(self.plan.steps(1), min(_LOOKED_AT, self.course.steps))
        passes = [(number, micro) for number, _, step in first for micro in step if micro.counts]
        sizes = [self.plan.lengths[micro.rows] for _, micro in passes]
        measures = (
            [int(rows.sum()) for rows in sizes],  # packed
            [len(rows) * int(rows.max()) for rows in sizes],  # padded
            [int((rows * rows).sum()) for rows in sizes],  # attention
        )
        return [passes[place] for place in dict.fromkeys(int(np.argmax(measure)) for measure in measures)]


def _pool(parts: RunParts, prepared: Prepared, split: str) -> EncodedRows:
    """Return the rows of a split, or a sample of a stream's, and how many tokens of each the network reads."""
    stream = prepared.rows.stream if split == "train" else None
    if stream is None:
        rows = prepared.encoded[split]
    else:
        rows = encode_rows(list(islice(stream.rows(), _SAMPLE)), prepared.task)
    return replace(rows, lengths=np.ones_like(rows.lengths)) if parts.head.precomputes else rows  # of features


def _count_tokens(micros: list[MicroBatch], of_rows: RowIndices) -> tuple[int, int]:
    """Return the number of tokens without and with padding."""
    sizes = [of_rows[micro.rows] for micro in micros if micro.counts]
    return sum(int(rows.sum()) for rows in sizes), sum(len(rows) * int(rows.max()) for rows in sizes)


def _times(every: int | None, steps: int) -> int:
    """Return how often something happens that also happens at the last step."""
    return 1 if every is None else -(-steps // every)
