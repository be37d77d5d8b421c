"""Tables as data sets hold them, the cells that answer a question, and what may be wrong with both."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import did_you_mean, join_names
from hone.core.task import Fault

Cell = tuple[int, int]
"""The row and the column of a cell, counted from 0; the header is no row."""

OPERATIONS = ("NONE", "SUM", "AVERAGE", "COUNT")
"""What may be done with the cells of an answer, in the order of the published checkpoints."""
_NO_CELL = object()
"""Stands for an answer that is not asked for: of the rows of a prediction."""
_FORMS = (
    "{column: [cells]}, a list of rows {column: cell}, a list of lists that begins with the header, "
    "{header: […], rows: […]}, or a text in csv"
)


@final
@dataclass(frozen=True)
class TextTable:
    """The names of the columns, and the rows; every cell is a text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return the table that a value stands for. Raise ValueError if it stands for none."""
        header, rows = _read(value)
        if not header or not rows:
            raise ValueError("the table has no rows" if header else "the table has no columns")
        if any(len(row) != len(header) for row in rows):
            place = next(place for place, row in enumerate(rows) if len(row) != len(header))
            raise ValueError(f"row {place} of the table has {len(rows[place])} cells, and the header {len(header)}")
        return cls(tuple(map(_to_text, header)), tuple(tuple(map(_to_text, row)) for row in rows))

    def frame(self) -> Any:
        """Return the table as the tokenizer reads it, in a frame of pandas, which `datasets` needs as well."""
        import pandas  # type: ignore[import-untyped]

        return pandas.DataFrame([list(row) for row in self.rows], columns=list(self.header), dtype=object)

    def has(self, cell: Cell) -> bool:
        return 0 <= cell[0] < len(self.rows) and 0 <= cell[1] < len(self.header)


def _read(value: Any) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:
    """Return the header and the rows of a table in any of its forms."""
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, Mapping):
        return _read_mapping(value)
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        header = list(dict.fromkeys(name for row in value for name, cell in row.items() if cell is not None))
        return header, [[row.get(name) for name in header] for row in value]
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        return value[0], value[1:]
    raise ValueError("the table is missing" if value is None else f"expected a table: {_FORMS}")


def _read_text(text: str) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:
    """Return the header and the rows of a table in JSON, which begins with a bracket, or in csv."""
    if not text.strip():
        raise ValueError("the table is missing")
    if text.lstrip()[0] in "[{":
        return _read(_parse(text))
    lines = [row for row in csv.reader(io.StringIO(text.strip(), newline="")) if row]
    return lines[0], lines[1:]


def _read_mapping(value: Mapping[str, Any]) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:
    if value.keys() >= {"header", "rows"}:
        header, rows = value["header"], value["rows"]
        if not (isinstance(header, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows)):
            raise ValueError("expected lists in the header and the rows of the table")
        return header, rows
    # A file gives each table the columns of all tables, with nothing in those that belong to another one.
    columns = {name: cells for name, cells in value.items() if cells is not None}
    if not all(isinstance(cells, list) for cells in columns.values()):
        raise ValueError(f"expected a table: {_FORMS}")
    if len({len(cells) for cells in columns.values()}) > 1:
        raise ValueError("the columns of the table have different lengths")
    return list(columns), list(zip(*columns.values(), strict=True))


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error


def _to_text(value: Any) -> str:
    if isinstance(value, Mapping | list):
        raise ValueError(f"a cell of the table is no text: {str(value)[:40]}")
    return "" if value is None else str(value)


def read_cells(value: Any) -> list[Cell]:
    """Return the cells of an answer, from [row, column] pairs or their JSON. Raise ValueError if there are none."""
    if isinstance(value, str):
        value = _parse(value)
    if not isinstance(value, list) or not value:
        raise ValueError("expected a list of cells [row, column], counted from 0 without the header")
    for pair in value:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(number) is int for number in pair)):
            raise ValueError(f"{str(pair)[:40]} is no cell [row, column] of whole numbers")
    return [(row, column) for row, column in value]


def read_operation(value: Any) -> int:
    """Return the place of an operation in OPERATIONS; a missing one is none. Raise ValueError for another one."""
    name = str(value or "NONE").strip().upper()
    if name not in OPERATIONS:
        hint = did_you_mean(name, OPERATIONS)
        raise ValueError(f"{str(value)[:40]!r} is none of {join_names(OPERATIONS)}.{hint}")
    return OPERATIONS.index(name)


def table_faults(rows: Dataset) -> Iterator[Fault]:
    """Yield the rows whose table cannot be read, or whose answer is not in it."""
    answered, aggregated = ("coordinates" in rows.column_names, "aggregation" in rows.column_names)
    tables = read_column(rows, "table")
    answers = read_column(rows, "coordinates") if answered else [_NO_CELL] * len(rows)
    operations = read_column(rows, "aggregation") if aggregated else [None] * len(rows)
    for row, values in enumerate(zip(tables, answers, operations, strict=True)):
        problem = _problem(*values)
        if problem is not None:
            yield Fault(row, *problem)


def _problem(table: Any, cells: Any, operation: Any) -> tuple[str, str] | None:
    """Return the role at fault and what is wrong with a row."""
    role = "table"
    try:
        read = TextTable.of(table)
        role = "coordinates"
        outside = [] if cells is _NO_CELL else [cell for cell in read_cells(cells) if not read.has(cell)]
        if outside:
            size = f"{len(read.rows)} rows and {len(read.header)} columns"
            return role, f"{list(outside[0])} is not in the table of {size} (counted from 0 without the header)"
        role = "aggregation"
        read_operation(operation)
    except ValueError as error:
        return role, str(error)
    return None


def place_of_none(operations: Sequence[str]) -> int:
    """Return the place of the operation that leaves the cells as they are."""
    return next((place for place, name in enumerate(operations) if name.upper() == "NONE"), 0)


def aggregate(operation: str, texts: Sequence[str]) -> float | int | None:
    """Return the result of an operation; None where cells stay as they are, and for texts that are no numbers."""
    if operation.upper() == "COUNT":
        return len(texts)
    try:
        numbers = [float(text.replace(",", "")) for text in texts]
    except ValueError:
        return None
    if operation.upper() not in ("SUM", "AVERAGE") or not numbers:
        return None
    return sum(numbers) / (len(numbers) if operation.upper() == "AVERAGE" else 1)
