"""Columns named by role and labels named by name, whatever the data set calls them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, List

from hone.data.fitting import fitting_tasks
from hone.data.source import Source
from hone.errors import UserError, listed, nearest
from hone.paths import nearest_path
from hone.tasks.base import Task
from hone.wording import as_typed


def canonical(raw: Dataset, split: str, source: Source, task: Task) -> Dataset:
    """Only the columns that play a role, under the role's name, with `id` as the row's place in its split."""
    raw = _opened(raw, source)
    roles = _roles(raw, split, source, task)
    rows = raw.select_columns(list(roles.values())).rename_columns({column: role for role, column in roles.items()})
    for role, feature in rows.features.items():
        names = _names(feature, source)
        named = _named(rows.with_format("arrow")[:][role], names) if role == "label" and names else None
        if named is not None:
            rows = rows.remove_columns(role).add_column(role, named)
    return rows.add_column("id", np.arange(len(raw)))


def label_names(raw: Dataset, source: Source) -> tuple[str, ...] | None:
    """The label names in the order the config or the data set gives them, where either does."""
    return _names(raw.features.get(source.columns.get("label") or "label"), source)


def _names(feature: Any, source: Source) -> tuple[str, ...] | None:
    inner = feature.feature if isinstance(feature, List) else feature
    if isinstance(inner, ClassLabel):
        return tuple(inner.names)
    if source.labels is None:
        return None
    names = _listed_in(Path(source.labels).expanduser()) if isinstance(source.labels, str) else tuple(source.labels)
    if len(set(names)) < max(len(names), 1):
        raise UserError(
            f"dataset.labels={as_typed(source.labels)}: expected names, none of them twice; {listed(names)}."
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
    asked = [column for column in source.columns.values() if column and column not in raw.column_names]
    return raw.flatten() if any("." in column for column in asked) else raw


def _roles(raw: Dataset, split: str, source: Source, task: Task) -> dict[str, str]:
    """The column of each role this split has."""
    roles = {role: column for role, column in source.columns.items() if column is not None}
    known = [*task.roles, *task.optional_roles]
    for role in roles.keys() - set(known):
        if roles.pop(role) != role:  # a config for any task says `label: label`, which means nothing to the others
            raise UserError(f"dataset.columns.{role}: the task has no such role; it has {listed(known)}.")
    for role in task.roles:
        roles.setdefault(role, role)
    for role, column in roles.items():
        if column not in raw.column_names:
            hint = nearest(column, raw.column_names) or nearest(role, raw.column_names)
            raise UserError(
                f"{source.name}, {split} split: no column {column!r} for the role {role!r}.{hint} It has "
                f"{listed(raw.column_names)}; say which with dataset.columns.{role}=….{fitting_tasks(raw, task)}"
            )
    if len(set(roles.values())) < len(roles):
        raise UserError(f"dataset.columns={as_typed(roles)}: one column for two roles.")
    return roles


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
