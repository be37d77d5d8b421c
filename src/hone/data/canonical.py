"""Canonical rows: columns have the names of the roles they play, and labels have names, whatever the data set uses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, List

from hone.core.errors import MissingColumns, UserError, closest_choice, join_names, one_line
from hone.core.paths import nearest_path
from hone.core.task import Task
from hone.core.wording import as_typed
from hone.data.media.storing import store_media
from hone.data.source import RawStream, Source


def to_canonical(raw: Dataset, split: str, source: Source, task: Task, first: int = 0) -> Dataset:
    """Returns only the columns that play a role, named by role, and an `id`.

    The `id` is the row's place in its split, where `raw` begins at the place `first`.
    """
    raw = flatten_nested(raw, source)
    roles = _columns_by_role(raw, split, source, task)
    single = {columns[0]: role for role, columns in roles.items() if len(columns) == 1}
    rows = raw.select_columns(list(single)).rename_columns(single)
    for role, columns in roles.items():
        if len(columns) > 1:
            rows = rows.add_column(role, _zip_columns(raw, role, columns))
    rows = store_media(rows, task, source.columns, source.media_folders)
    _require_intact(rows, split, source, first)
    for role, feature in rows.features.items():
        names = _names_of_labels(feature, source)
        if role != "label" or not names:
            continue
        labels = _name_labels(rows.with_format("arrow")[:][role], names)
        if labels is not None:
            rows = rows.remove_columns(role).add_column(role, labels)
    return rows.add_column("id", np.arange(first, first + len(raw)))


def label_names(raw: Dataset | RawStream, source: Source) -> tuple[str, ...] | None:
    """Returns the label names in the order of the config or of the data set, or None where neither has names."""
    column = source.columns.get("label") or "label"
    return _names_of_labels(raw.features.get(column) if isinstance(column, str) else None, source)


def _names_of_labels(feature: Any, source: Source) -> tuple[str, ...] | None:
    inner = feature.feature if isinstance(feature, List) else feature
    if isinstance(inner, ClassLabel):
        return tuple(inner.names)
    if source.labels is None:
        return None
    labels = source.labels
    names = _read_names(Path(labels).expanduser()) if isinstance(labels, str) else tuple(labels)
    if len(set(names)) < max(len(names), 1):
        raise UserError(
            f"dataset.labels={as_typed(source.labels)}: expected names, none of them twice; {join_names(names)}."
        )
    return names


def _read_names(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"dataset.labels={file}: give a list, or a text file with one name per line ({error}).{nearest_path(file)}"
        ) from error
    return tuple(line.strip() for line in lines if line.strip())


def flatten_nested(raw: Dataset, source: Source) -> Dataset:
    """Turns the fields of nested columns, also those of lists of objects, into columns `a.b` where a role asks for such
    a column."""
    wanted = [column for columns in source.columns.values() for column in _as_list(columns)]
    missing = [column for column in wanted if "." in column and column not in raw.column_names]
    if not missing:
        return raw
    flat = raw.flatten()
    for column in missing:
        name, _, field = column.partition(".")
        feature = flat.features.get(name)
        if isinstance(feature, List) and isinstance(feature.feature, Mapping) and field in feature.feature:
            values = _take_field(flat.with_format("arrow")[:][name].combine_chunks(), field)
            flat = flat.add_column(column, values, feature=List(feature.feature[field]))
    return flat


def _take_field(column: pa.ListArray, field: str) -> pa.ListArray:
    """Returns one field of the objects in a column of lists, as lists."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    values = pc.struct_field(pc.list_flatten(column), field)
    return pa.ListArray.from_arrays(offsets, values, mask=pc.is_null(column))


def _as_list(columns: str | list[str] | None) -> list[str]:
    if columns is None:
        return []
    return [columns] if isinstance(columns, str) else list(columns)


def _columns_by_role(raw: Dataset, split: str, source: Source, task: Task) -> dict[str, list[str]]:
    """Returns the column of each role; a role with several columns is a list of their items."""
    roles = _mapped_columns(source, [*task.roles, *task.optional_roles])
    for role in task.roles:
        roles.setdefault(role, [role])
    used = [column for columns in roles.values() for column in columns]
    if any(column not in raw.column_names for column in used):
        kind = f"{type(task).__module__}.{type(task).__qualname__}"
        advice = [task.advice[role] for role in roles if role in task.advice and roles[role][0] not in raw.column_names]
        message = " ".join([_describe_missing(roles, raw.column_names), *dict.fromkeys(advice)])
        problem = f"{source.name}, {split} split: {message}"
        raise MissingColumns(problem, tuple(raw.column_names), kind)
    if len(set(used)) < len(used):
        mapping = {role: columns if len(columns) > 1 else columns[0] for role, columns in roles.items()}
        raise UserError(f"dataset.columns={as_typed(mapping)}: one column for two roles.")
    return roles


def _require_intact(rows: Dataset, split: str, source: Source, first: int) -> None:
    """Raises UserError where a value is damaged, such as a text that is not UTF-8: no reader of files looks at that."""
    table = rows.with_format("arrow")[:]
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        for role in table.column_names:
            row = _first_damaged(table[role])
            if row is not None:
                raise UserError(
                    f"{source.name}, {split} split: column {source.columns.get(role) or role!r}, row {first + row} "
                    f"(counting from 0): the value is damaged, or text that is not UTF-8. Write the file again."
                ) from error
        raise UserError(f"{source.name}, {split} split: the file is damaged ({one_line(error)}).") from error


def _first_damaged(column: pa.ChunkedArray) -> int | None:
    """Returns the place of the first value that is damaged."""
    for row in range(len(column)):
        try:
            column.slice(row, 1).validate(full=True)
        except pa.ArrowInvalid:
            return row
    return None


def _describe_missing(roles: dict[str, list[str]], existing: list[str]) -> str:
    """Names the missing columns with their roles, the existing columns, and the overrides that would fix it."""
    missing = [(role, column) for role, columns in roles.items() for column in columns if column not in existing]
    guesses = {column: closest_choice(column, existing) or closest_choice(role, existing) for role, column in missing}
    problem = ", ".join(f"no column {column!r} for the role {role!r}" for role, column in missing)
    names = " and ".join(dict.fromkeys(guess for guess in guesses.values() if guess))
    hint = f" Did you mean {names}?" if names else ""
    overrides = {}
    for role, column in missing:
        guess = guesses[column] if len(roles[role]) == 1 else None
        overrides[role] = f"dataset.columns.{role}={guess or '…'}"
    return (
        f"{problem}.{hint} The columns are {join_names(existing)}; "
        f"name the right ones with {' '.join(overrides.values())}."
    )


def _mapped_columns(source: Source, roles: list[str]) -> dict[str, list[str]]:
    """Returns the columns that the config maps to the task's roles."""
    mapped = {role: _as_list(column) for role, column in source.columns.items() if column is not None}
    for role in mapped.keys() - set(roles):
        # A config for any task may say `text: text`, which means nothing to a task without that role.
        if mapped.pop(role) != [role]:
            raise UserError(f"dataset.columns.{role}: the task has no such role; its roles are {join_names(roles)}.")
    if [] in mapped.values():
        raise UserError(f"dataset.columns={as_typed(mapped)}: expected a column for each role, or a list of them.")
    return mapped


def _zip_columns(raw: Dataset, role: str, columns: list[str]) -> pa.Array:
    """Makes one column of lists from several columns: each list has a row's values in the order of the columns."""
    table = raw.select_columns(columns).with_format("arrow")[:]
    types = [str(kind).removeprefix("large_") for kind in table.schema.types]
    kinds = {name: kind for name, kind in zip(types, table.schema.types, strict=True) if name != "null"}
    if len(kinds) > 1:
        pairs = ", ".join(f"{column} is {name}" for column, name in zip(columns, types, strict=True))
        raise UserError(
            f"dataset.columns.{role}={as_typed(columns)}: the columns of a list must have the same type; {pairs}."
        )
    kind = next(iter(kinds.values()), pa.null())
    parts = pa.concat_arrays([table[name].combine_chunks().cast(kind) for name in columns])
    # `parts` has one column after the other; the transposed places read it row by row.
    order = np.arange(len(parts)).reshape(len(columns), len(raw)).T.reshape(-1)
    return pa.ListArray.from_arrays(pa.array(np.arange(len(raw) + 1) * len(columns), pa.int32()), parts.take(order))


def _name_labels(column: pa.ChunkedArray, names: tuple[str, ...]) -> pa.Array | None:
    """Replaces label numbers by names, or returns None where labels are no numbers. A number without a name stays."""
    column = column.combine_chunks()
    nested = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    numbers = pc.list_flatten(column) if nested else column
    if not pa.types.is_integer(numbers.type):
        return None
    has_name = pc.and_(pc.greater_equal(numbers, 0), pc.less(numbers, len(names)))
    labels = pa.array(names, pa.string()).take(pc.if_else(has_name, numbers, None))
    labels = pc.if_else(has_name, labels, numbers.cast(pa.string()))
    if not nested:
        return labels
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, labels, mask=pc.is_null(column))
