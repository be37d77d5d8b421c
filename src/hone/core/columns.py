"""Reads rows of an arrow-formatted data set as columns. Lists of numbers become slices of one flat array."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hone.core.task import Columns

RowIndices = np.ndarray[Any, np.dtype[np.int64]]
"""Positions of rows in a split, or one whole number per row."""


def read_columns(rows: Dataset, places: RowIndices) -> Columns:
    """Return the rows at these places."""
    table = rows[places]
    return {name: _values(table[name].combine_chunks()) for name in table.column_names}


def read_column(rows: Dataset, name: str) -> list[Any]:
    """Return a whole column as Python values, in one go. Iterating over a data set's column reads row by row."""
    column: list[Any] = rows.select_columns(name)[:][name]
    return column


def row_lengths(rows: Dataset) -> RowIndices:
    """Return the cost of each row, which its task stored in `length` when it encoded the row."""
    return np.asarray(rows.select_columns("length").with_format("arrow")[:]["length"].to_numpy(), dtype=np.int64)


def draw_rows(rows: Dataset, examples: int | None) -> RowIndices:
    """Return the places of this many random examples with all their windows; None stands for all examples.

    The seed is fixed, so that every evaluation draws the same examples."""
    if examples is None:
        return np.arange(len(rows))
    ids = np.asarray(rows.select_columns("id").with_format("arrow")[:]["id"].to_numpy())
    chosen = np.random.default_rng(0).permutation(np.unique(ids))[:examples]
    return np.flatnonzero(np.isin(ids, chosen))


def _values(column: pa.Array) -> Any:
    if column.null_count == 0 and pa.types.is_primitive(column.type):
        return column.to_numpy(zero_copy_only=False)
    if column.null_count == 0 and pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
    if column.null_count == 0 and pa.types.is_list(column.type) and pa.types.is_primitive(column.type.value_type):
        flat, offsets = column.values.to_numpy(zero_copy_only=False), column.offsets.to_numpy()
        return [flat[start:end] for start, end in pairwise(offsets)]
    return column.to_pylist()
