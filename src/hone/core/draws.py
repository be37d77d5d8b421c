"""The random draws of a batch: one generator for each row, and one for what mixes rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from hone.core import seeds

RowKeys = np.ndarray[Any, np.dtype[np.int64]]
"""A row's example, and its place among the rows of this example."""


@final
@dataclass(frozen=True, eq=False)
class Draws:
    """What `collate` may draw from. Without arguments: the draws of an evaluation of rows that are in no split.

    The draws of a row depend on the run's seed, the epoch and the row alone. They are the same for every batch size,
    however a batch is split, and in every process.
    """

    training: bool = False
    """Whether the batch is trained on: only then may inputs be augmented."""
    seed: int = 0
    epoch: int = 0
    keys: RowKeys | None = None
    """The keys of the batch's rows. Without them, rows are told apart by their places in the batch."""
    place: tuple[int, ...] = (0,)
    """The place of the batch in the run."""

    def row(self, place: int) -> np.random.Generator:
        """Return a new generator for the row at this place of the batch."""
        key = (place,) if self.keys is None else self.keys[place]
        return seeds.stream(self.seed, "row", self.epoch, *map(int, key))

    @cached_property
    def batch(self) -> np.random.Generator:
        """The generator for what mixes the rows of the batch. It depends on the place of the batch in the run."""
        return seeds.stream(self.seed, "collate", *self.place)


def row_keys(ids: RowKeys) -> RowKeys:
    """Return the key of each encoded row, given the rows' examples: several windows of an example differ."""
    ids = np.asarray(ids, dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    windows = np.empty_like(ids)
    windows[order] = np.arange(len(ids)) - np.repeat(starts, np.diff(np.append(starts, len(ids))))
    return np.stack([ids, windows], axis=1)
