"""Columns named by role and labels named by name, whatever the data set calls them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, List

from hone.core.errors import MissingColumns, UserError, closest_choice, join_names
from hone.core.paths import nearest_path
from hone.core.task import Task
from hone.core.wording import as_typed
from hone.data.source import Incoming, Source


def to_canonical(raw: Dataset, split: str, source: Source, task: Task, first: int = 0) -> Dataset:
    """Only the columns that play a role, under the role's name, with `id` as the row's place in its split, where
    these begin at `first`."""
    raw = _opened(raw, source)
    roles = _roles(raw, split, source, task)
    plain = {column: role for role, (column, *others) in roles.items() if not others}
    rows = raw.select_columns(list(plain)).rename_columns(plain)
    for role, several in roles.items():
        if len(several) > 1:
            rows = rows.add_column(role, _side_by_side(raw, role, several))
    for role, feature in rows.features.items():
        names = _names(feature, source)
        named = _named(rows.with_format("arrow")[:][role], names) if role == "label" and names else None
        if named is not None:
            rows = rows.remove_columns(role).add_column(role, named)
    return rows.add_column("id", np.arange(first, first + len(raw)))


def label_names(raw: Dataset | Incoming, source: Source) -> tuple[str, ...] | None:
    """The label names in the order the config or the data set gives them, where either does."""
    column = source.columns.get("label") or "label"
    return _names(raw.features.get(column) if isinstance(column, str) else None, source)


def _names(feature: Any, source: Source) -> tuple[str, ...] | None:
    inner = feature.feature if isinstance(feature, List) else feature
    if isinstance(inner, ClassLabel):
        return tuple(inner.names)
    if source.labels is None:
        return None
    names = _listed_in(Path(source.labels).expanduser()) if isinstance(source.labels, str) else tuple(source.labels)
    if len(set(names)) < max(len(names), 1):
        raise UserError(
            f"dataset.labels={as_typed(source.labels)}: expected names, none of them twice; {join_names(names)}."
        )
    return names


def _listed_in(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"dataset.labels={file}: give a list, or a text file with one name a line ({error}).{nearest_path(file)}"
        ) from error
    return tuple(line.strip() for line in lines if line.strip())


def _opened(raw: Dataset, source: Source) -> Dataset:
    """With the fields of a column as columns, a.b, where a role asks for one."""
    asked = [column for columns in source.columns.values() for column in _listed(columns)]
    return raw.flatten() if any("." in column for column in asked if column not in raw.column_names) else raw


def _listed(columns: str | list[str] | None) -> list[str]:
    return [] if columns is None else [columns] if isinstance(columns, str) else list(columns)


def _roles(raw: Dataset, split: str, source: Source, task: Task) -> dict[str, list[str]]:
    """The column of each role this split has, or the columns that are the items of a list."""
    roles = _mapped(source, [*task.roles, *task.optional_roles])
    for role in task.roles:
        roles.setdefault(role, [role])
    if any(column not in raw.column_names for columns in roles.values() for column in columns):
        kind = f"{type(task).__module__}.{type(task).__qualname__}"
        problem = f"{source.name}, {split} split: {_what_is_missing(roles, raw.column_names)}"
        raise MissingColumns(problem, tuple(raw.column_names), kind)
    if len({column for columns in roles.values() for column in columns}) < sum(map(len, roles.values())):
        told = {role: columns if len(columns) > 1 else columns[0] for role, columns in roles.items()}
        raise UserError(f"dataset.columns={as_typed(told)}: one column for two roles.")
    return roles


def _what_is_missing(roles: dict[str, list[str]], existing: list[str]) -> str:
    """The missing columns with their roles, the existing ones, and the overrides that would name the right ones."""
    pairs = [(role, column) for role, columns in roles.items() for column in columns if column not in existing]
    meant = {column: closest_choice(column, existing) or closest_choice(role, existing) for role, column in pairs}
    problem = ", ".join(f"no column {column!r} for the role {role!r}" for role, column in pairs)
    hint = " and ".join(dict.fromkeys(column for column in meant.values() if column))
    overrides = {}
    for role, column in pairs:
        right = meant[column] if len(roles[role]) == 1 else None
        overrides[role] = f"dataset.columns.{role}={right or '…'}"
    return (
        f"{problem}.{f' Did you mean {hint}?' if hint else ''} The columns are {join_names(existing)}; "
        f"name the right ones with {' '.join(overrides.values())}."
    )


def _mapped(source: Source, known: list[str]) -> dict[str, list[str]]:
    """What the config says of the roles; one for any task says `text: text`, which means nothing to the others."""
    mapped = {role: _listed(column) for role, column in source.columns.items() if column is not None}
    for role in mapped.keys() - set(known):
        if mapped.pop(role) != [role]:
            raise UserError(f"dataset.columns.{role}: the task has no such role; its roles are {join_names(known)}.")
    if [] in mapped.values():
        raise UserError(f"dataset.columns={as_typed(mapped)}: expected a column for each role, or a list of them.")
    return mapped


def _side_by_side(raw: Dataset, role: str, several: list[str]) -> pa.Array:
    """Columns as one of lists: the first items of all of them make the first list."""
    table = raw.select_columns(several).with_format("arrow")[:]
    names = [str(kind).removeprefix("large_") for kind in table.schema.types]
    kinds = {name: kind for name, kind in zip(names, table.schema.types, strict=True) if name != "null"}
    if len(kinds) > 1:
        told = ", ".join(f"{column} is {name}" for column, name in zip(several, names, strict=True))
        raise UserError(
            f"dataset.columns.{role}={as_typed(several)}: columns that make a list are of one type; {told}."
        )
    kind = next(iter(kinds.values()), pa.null())
    parts = pa.concat_arrays([table[name].combine_chunks().cast(kind) for name in several])
    order = np.arange(len(parts)).reshape(len(several), len(raw)).T.reshape(-1)
    return pa.ListArray.from_arrays(pa.array(np.arange(len(raw) + 1) * len(several), pa.int32()), parts.take(order))


def _named(column: pa.ChunkedArray, names: tuple[str, ...]) -> pa.Array | None:
    """Numbered labels as their names (a number that has none stays), or None where labels are names already."""
    column = column.combine_chunks()
    nested = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    values = pc.list_flatten(column) if nested else column
    if not pa.types.is_integer(values.type):
        return None
    within = pc.and_(pc.greater_equal(values, 0), pc.less(values, len(names)))
    named = pa.array(names, pa.string()).take(pc.if_else(within, values, None))
    named = pc.if_else(within, named, values.cast(pa.string()))
    if not nested:
        return named
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, named, mask=pc.is_null(column))
