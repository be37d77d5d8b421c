"""A media file by reference, and how batches fetch the files of their rows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from datasets import Dataset

from hone.core.columns import RowIndices
from hone.core.errors import RowError
from hone.core.metric import Columns
from hone.core.task import MediaKind, Predictive
from hone.data.media.places import Places

ENDINGS: Mapping[MediaKind, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"),
    "audio": (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au"),
    "video": (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif"),
}
"""The endings by which files are found in folders."""


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

    def size(self) -> int:
        """Return the size in bytes. Raise RowError for what is no regular file, before it is opened, or is empty."""
        problem = None if self.content is not None else Places(()).problem(self.path or "")
        if problem is not None:
            raise self.error(problem)
        size = Path(self.path or "").stat().st_size if self.content is None else len(self.content)
        if size == 0:
            raise self.error("an empty file")
        return size

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


def media_name(value: Any) -> Any:
    """Return a name for a file or its content, to show in its place. Any other value stays as it is."""
    if isinstance(value, Mapping) and value.keys() >= {"bytes", "path"}:
        return value["path"] or media_name(value["bytes"])
    return f"{len(value):,} bytes" if isinstance(value, bytes) else value


def encode_with_media(task: Predictive, rows: Columns) -> Columns:
    """Encode columns of canonical rows, whose stored media become `MediaFile`s."""
    files = {role: as_files(rows[role], rows["id"], role) for role in task.media if role in rows}
    return task.encode({**rows, **files})
