"""The contract of a data source: where raw rows come from and what their columns mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import pyarrow as pa
from datasets import Dataset, DatasetInfo, Features, IterableDataset

from hone.core.errors import UserError
from hone.core.paths import cache_key
from hone.core.value_types import Labels, OnBadRow, Split

CHUNK = 1_000
"""Rows that are read and checked together."""


@final
@dataclass(frozen=True, eq=False)
class Incoming:
    """`stamp` tells of the files what can be told without reading them: names, times of change, the hub's commit; the
    rows of a data set of the user's stand in `file`."""

    rows: IterableDataset
    features: Features
    stamp: str
    file: Path | None = None

    @classmethod
    def built_by(cls, builder: Any, split: str, file: Path | None = None) -> Self:
        """A split of what one of `datasets`' builders would load."""
        files = builder.config.data_files[split]
        return cls.of(builder.as_streaming_dataset(split=split), cache_key(files, files.origin_metadata), file)

    @classmethod
    def of(cls, rows: IterableDataset, stamp: str, file: Path | None = None) -> Self:
        typed = rows._resolve_features()  # reads the beginning where a format does not name its types
        return cls(typed, typed.features, stamp, file)

    def chunks(self) -> Iterator[Dataset]:
        """All rows in the order of the files."""
        for table in self.rows.with_format("arrow").iter(CHUNK):
            yield self._loaded(table)

    def whole(self) -> Dataset:
        """All rows at once."""
        tables = list(self.rows.with_format("arrow").iter(CHUNK))
        return self._loaded(pa.concat_tables(tables) if tables else self.features.arrow_schema.empty_table())

    def _loaded(self, table: pa.Table) -> Dataset:
        return Dataset(table, info=DatasetInfo(features=self.features))


SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Source(ABC):
    """A config's `dataset`; a source makes fields of those attributes that its data leave open."""

    columns: Mapping[str, str | list[str] | None] = {}
    """For each role of the task, the column that plays it, where it has another name; several make a list."""
    labels: Labels = None
    """Names for labels that are plain numbers."""
    holdout: float = 0.0
    """The share of the training rows that becomes the validation split when there is none."""
    on_bad_row: OnBadRow = "error"
    """Whether a row that cannot work ends the command or is left out."""

    streaming: bool = False
    """Whether training rows are read as they are needed, never all at once."""
    shuffle_buffer: int = 10_000
    """How many rows of a stream are held to draw the next one from."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How the data set is called in tables and on model cards."""

    @abstractmethod
    def load(self) -> dict[str, Dataset]:
        """The raw rows of each split that there is, under the names in SPLITS; not the training's where `streaming`."""

    def stream(self) -> Incoming:
        """The raw training rows, where `streaming`."""
        raise UserError(f"dataset.streaming: {self.name} can only be loaded.")
