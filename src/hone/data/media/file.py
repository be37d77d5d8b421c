"""A media file by reference, and the columns that store such references."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hone.core.columns import RowIndices
from hone.core.errors import RowError, UserError
from hone.core.metric import Columns
from hone.core.task import MediaKind, Predictive

STORED = pa.struct({"bytes": pa.binary(), "path": pa.string()})
"""How a row stores a media file: its content, or else a path. `datasets` stores images and sounds in the same way."""


@final
@dataclass(frozen=True, slots=True)
class MediaFile:
    """A picture, a sound or a clip that is read only when it is needed."""

    path: str | None
    content: bytes | None = None
    row: int = 0
    """The number of its row, for messages."""
    role: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Any], row: int, role: str) -> Self:
        """Return the file of a stored value."""
        return cls(stored.get("path"), stored.get("bytes"), row, role)

    @property
    def name(self) -> str:
        """The file's name in messages."""
        return self.path or "bytes in the row"

    def open(self) -> io.BufferedIOBase:
        """Open the file for reading. Raise RowError if that is not possible."""
        if self.content is not None:
            return io.BytesIO(self.content)
        try:
            return Path(self.path or "").open("rb")
        except OSError as error:
            raise self.error(error.strerror or str(error)) from error

    def error(self, problem: str) -> RowError:
        """Return the error for a file that cannot be used, with its name and its row."""
        return RowError(self.row, self.role, f"{self.name}: {problem}")


@final
@dataclass(frozen=True, eq=False)
class MediaColumns:
    """The media of a split's examples, which batches fetch by the examples' ids."""

    rows: Dataset
    """The canonical rows, in arrow format, with `id` and the media columns alone."""
    ids: RowIndices
    order: RowIndices

    @classmethod
    def of(cls, rows: Dataset, task: Predictive) -> Self | None:
        """Return the media of canonical rows, or None if the task reads none."""
        roles = [role for role in task.media if role in rows.column_names]
        if not roles:
            return None
        columns = rows.select_columns(["id", *roles]).with_format("arrow")
        ids = np.asarray(columns.select_columns("id")[:]["id"].to_numpy(), dtype=np.int64)
        return cls(columns, ids, np.argsort(ids, kind="stable"))

    def fetch(self, ids: RowIndices) -> Columns:
        """Return the media of these examples by role."""
        places = self.order[np.searchsorted(self.ids, ids, sorter=self.order)]
        table = self.rows[places]
        roles = [name for name in table.column_names if name != "id"]
        return {role: as_files(table[role].to_pylist(), ids.tolist(), role) for role in roles}


def as_files(stored: Sequence[Any], ids: Sequence[int], role: str) -> list[MediaFile | None]:
    """Return the files of stored values; a row without one has None."""
    return [None if value is None else MediaFile.of(value, row, role) for value, row in zip(stored, ids, strict=True)]


def encode_with_media(task: Predictive, rows: Columns) -> Columns:
    """Encode columns of canonical rows, whose stored media become `MediaFile`s."""
    files = {role: as_files(rows[role], rows["id"], role) for role in task.media if role in rows}
    return task.encode({**rows, **files})


def store_media(rows: Dataset, task: Predictive, columns: Mapping[str, Any]) -> Dataset:
    """Return canonical rows whose columns of paths, of contents or of both are stored in one form.

    Raise UserError, with the data set's own name of a role's column, where it holds something else."""
    for role, kind in task.media.items():
        if role in rows.column_names:
            rows = _store_column(rows, role, kind, columns.get(role) or role)
    return rows


def _store_column(rows: Dataset, role: str, kind: MediaKind, column: object) -> Dataset:
    values = rows.with_format("arrow")[:][role]
    stored = [_to_stored(chunk) for chunk in values.chunks]
    if any(chunk is None for chunk in stored):
        raise UserError(
            f"column {column!r}: expected paths of files or their bytes for the role {role!r} ({kind}), "
            f"but its values are {values.type}."
        )
    return rows.remove_columns(role).add_column(role, pa.chunked_array(stored, STORED))


def _to_stored(column: pa.Array) -> pa.StructArray | None:
    """Return one chunk as stored media. Contents are not copied where their type is right already."""
    kind = column.type
    if pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}:
        content, path = column.field("bytes"), column.field("path")
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        content, path = pa.nulls(len(column), pa.binary()), column
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        content, path = column, pa.nulls(len(column), pa.string())
    else:
        return None
    missing = column.is_null()
    return pa.StructArray.from_arrays(
        [content.cast(STORED.field("bytes").type), path.cast(STORED.field("path").type)],
        fields=list(STORED),
        mask=missing,
    )
