"""Raw rows as they come from their files, a chunk at a time: what a data set is before anybody loads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import pyarrow as pa
from datasets import Dataset, DatasetInfo, Features, IterableDataset

from hone.core.cache import key

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
        return cls.of(builder.as_streaming_dataset(split=split), key(files, files.origin_metadata), file)

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
