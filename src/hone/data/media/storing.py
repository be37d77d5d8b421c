"""How rows store media: a path or a content in one form, whatever the data set has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from hone.core.errors import UserError
from hone.core.paths import cache_key
from hone.core.task import Fault, MediaKind, Predictive
from hone.data.media.places import Places

STORED = pa.struct({"bytes": pa.binary(), "path": pa.string(), "stamp": pa.string()})
"""How a row stores a file that it names: with its size and time of change, which are None where it cannot be used."""

_INTERIM = "stored media"


def store_media(rows: Dataset, task: Predictive, columns: Mapping[str, Any], folders: Sequence[Path] = ()) -> Dataset:
    """Returns canonical rows whose columns of paths, of contents or of both are stored in one form.

    `folders` are those in which rows may name files. Raises UserError, with the data set's own name of a role's
    column, where it holds something else."""
    places = Places(folders)
    for role, kind in task.media.items():
        if role in rows.column_names:
            rows = _store_column(rows, role, kind, columns.get(role) or role, places)
    return rows


def find_refused(rows: Dataset, task: Predictive, folders: Sequence[Path] = ()) -> Iterator[Fault]:
    """Yields the canonical rows that name a file which must not or cannot be opened."""
    places = Places(folders)
    for role in task.media:
        if role not in rows.column_names or isinstance(rows.features[role], datasets.Image):
            continue  # nothing to read, or contents alone
        column = rows.select_columns(role).with_format("arrow")[:][role].combine_chunks()
        unstamped = pc.and_(pc.is_null(column.field("stamp")), pc.is_valid(column.field("path")))
        for row in pc.indices_nonzero(pc.and_(unstamped, column.is_valid())).to_pylist():
            path = column[row]["path"].as_py()
            problem = places.problem(path)
            if problem is not None and not column[row]["bytes"].is_valid:
                yield Fault(row, role, f"{path}: {problem}")


def has_contents(rows: Dataset) -> bool:
    """Whether canonical rows contain files, and are best read a few at a time."""
    return any(isinstance(feature, datasets.Image) for feature in rows.features.values())


def _store_column(rows: Dataset, role: str, kind: MediaKind, column: object, places: Places) -> Dataset:
    if not _holds_media(rows.data.schema.field(role).type):
        raise UserError(
            f"column {column!r}: expected paths of files or their bytes for the role {role!r} ({kind}), "
            f"but its values are {rows.data.schema.field(role).type}."
        )
    # `Image` stands for a struct of bytes and path, of any kind of file: a cast to it copies no content, and tables
    # that are mapped from files remain mapped.
    stored = rows.cast_column(role, datasets.Image(decode=False))
    values = stored.select_columns(role).with_format("arrow")[:][role]
    if all(chunk.field("bytes").null_count == 0 or not _names_files(chunk) for chunk in values.chunks):
        return stored
    stamped = [_stamp(chunk, places) for chunk in values.chunks]
    features = {"bytes": datasets.Value("binary"), "path": datasets.Value("string"), "stamp": datasets.Value("string")}
    name = cache_key(role, [chunk.field("stamp").to_pylist() for chunk in stamped])  # by default contents are hashed
    column_of_files = pa.chunked_array(stamped, STORED)
    # Under another name first: rows without any column, if this is the only one, would be no rows.
    both = stored.add_column(_INTERIM, column_of_files, new_fingerprint=name, feature=features)
    return both.remove_columns(role).rename_column(_INTERIM, role)


def _names_files(column: pa.StructArray) -> bool:
    """Whether a row has a path and no content."""
    return bool(pc.any(pc.and_(pc.is_null(column.field("bytes")), pc.is_valid(column.field("path")))).as_py())


def _holds_media(kind: Any) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    content = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    both = pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}
    return text or content or both


def _stamp(column: pa.StructArray, places: Places) -> pa.StructArray:
    """Returns a chunk of stored media with complete paths and stamps. Contents are not copied."""
    has_content = pc.is_valid(column.field("bytes")).to_pylist()
    paths: list[str | None] = []
    stamps: list[str | None] = []
    for path, content in zip(column.field("path").to_pylist(), has_content, strict=True):
        whole = path if path is None or content else places.complete(path)
        paths.append(whole)
        stamps.append(None if whole is None or content else places.stamp(whole))
    parts = [column.field("bytes"), pa.array(paths, pa.string()), pa.array(stamps, pa.string())]
    return pa.StructArray.from_arrays(parts, fields=list(STORED), mask=column.is_null())
