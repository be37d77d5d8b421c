"""The contract of a data source: where raw rows come from, and what their columns mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import pyarrow as pa
from datasets import Dataset, DatasetInfo, Features, IterableDataset

from hone.core.errors import UserError
from hone.core.paths import cache_key
from hone.core.value_types import Labels, OnBadRow, Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
CHUNK = 1_000
"""How many rows of a stream are read and checked together."""


@final
@dataclass(frozen=True, eq=False)
class RawStream:
    """Raw rows that are read from their files as they are needed."""

    rows: IterableDataset
    features: Features
    stamp: str
    """A digest of what is known of the files without reading them: names, times of change, the hub's commit."""
    file: Path | None = None
    """The user's own file that has the rows, if there is one."""

    @classmethod
    def from_builder(cls, builder: Any, split: str, file: Path | None = None) -> Self:
        """Makes a stream of a split that one of `datasets`' builders would load."""
        files = builder.config.data_files[split]
        return cls.from_rows(builder.as_streaming_dataset(split=split), cache_key(files, files.origin_metadata), file)

    @classmethod
    def from_rows(cls, rows: IterableDataset, stamp: str, file: Path | None = None) -> Self:
        typed = rows._resolve_features()  # reads the first rows where a format does not declare its types
        return cls(typed, typed.features, stamp, file)

    @classmethod
    def from_saved(cls, rows: Dataset) -> Self:
        """Makes a stream of a loaded data set; its fingerprint is private in datasets 5.2."""
        return cls.from_rows(rows.to_iterable_dataset(), rows._fingerprint)

    def iter_chunks(self) -> Iterator[Dataset]:
        """Yields all rows in the order of the files."""
        for table in self.rows.with_format("arrow").iter(CHUNK):
            yield self._to_dataset(table)

    def read_all(self) -> Dataset:
        tables = list(self.rows.with_format("arrow").iter(CHUNK))
        return self._to_dataset(pa.concat_tables(tables) if tables else self.features.arrow_schema.empty_table())

    def _to_dataset(self, table: pa.Table) -> Dataset:
        return Dataset(table, info=DatasetInfo(features=self.features))


class Source(ABC):
    """The contract of a config's `dataset`. A source turns the attributes below that users may set into fields."""

    columns: Mapping[str, str | list[str] | None] = {}
    """The column of each role, where its name differs from the role's; several columns make a list."""
    labels: Labels = None
    """Names for labels that are plain numbers."""
    holdout: float = 0.0
    """The share of the training rows that becomes the validation split where there is none."""
    on_bad_row: OnBadRow = "error"
    """Whether a bad row ends the command or is left out."""
    streaming: bool = False
    """Whether training rows are read as they are needed, never all at once."""
    shuffle_buffer: int = 10_000
    """How many rows of a stream are buffered; the next row is drawn from these."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The data set's name in tables and on model cards."""

    @property
    def media_folders(self) -> Sequence[Path]:
        """The folders in which rows may name pictures, sounds and clips; relative paths begin at the first one.
        Where there are none, rows may name any file."""
        return ()

    @abstractmethod
    def load(self) -> dict[str, Dataset]:
        """Returns the raw rows of each split that exists, by the names in SPLITS; without "train" where `streaming`."""

    def stream(self) -> RawStream:
        """Returns the raw training rows where `streaming`."""
        raise UserError(f"dataset.streaming: {self.name} can only be loaded.")
