"""Encoded rows as batches read them: with their lengths, the keys of their random draws, and their media."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np
from datasets import Dataset

from hone.core.columns import RowIndices, read_columns, row_lengths
from hone.core.draws import Draws, RowKeys, row_keys
from hone.core.metric import Columns
from hone.core.task import Batch, Predictive
from hone.data.media.file import MediaColumns


@final
@dataclass(frozen=True, eq=False)
class EncodedRows:
    """Encoded rows and what a batch of them needs; batches name rows by their place here."""

    rows: Dataset
    lengths: RowIndices
    media: MediaColumns | None = None

    @classmethod
    def of(cls, encoded: Dataset, canonical: Dataset | None, task: Predictive) -> Self:
        """Return encoded rows, with the media of the canonical rows from which they were made."""
        rows = encoded.with_format("arrow")
        media = None if canonical is None else MediaColumns.of(canonical, task)
        return cls(rows, row_lengths(rows), media)

    @cached_property
    def ids(self) -> RowIndices:
        """The example of each row."""
        return np.asarray(self.rows.select_columns("id")[:]["id"].to_numpy(), dtype=np.int64)

    @cached_property
    def keys(self) -> RowKeys:
        """What tells the random draws of the rows apart."""
        return row_keys(self.ids)

    def columns(self, places: RowIndices) -> Columns:
        """Return the rows at these places, with their media."""
        columns = read_columns(self.rows, places)
        return columns if self.media is None else columns | self.media.fetch(self.ids[places])

    def collate(
        self, task: Predictive, places: RowIndices, training: bool = False, seed: int = 0, epoch: int = 0,
        batch: tuple[int, ...] = (0,),
    ) -> Batch:  # fmt: skip
        """Return a batch of the rows at these places. `batch` is its place in the run, for what mixes rows."""
        return task.collate(self.columns(places), Draws(training, seed, epoch, self.keys[places], batch))
