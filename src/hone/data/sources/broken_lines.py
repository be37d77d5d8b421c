"""Lines of csv, tsv and JSON lines files that are no rows. The libraries reject a whole file because of one such line.

The lines are reported by row number. Where they may be left out, they are read as rows without values, which are then
treated like any bad row; the rows after them keep their numbers.
"""

from __future__ import annotations

import csv
import glob
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, load_dataset

from hone.core.errors import UserError

log = logging.getLogger(__name__)

_SHOWN = 5
"""How many broken lines a message names."""
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")

Line = dict[str, Any] | list[str] | str
"""A JSON object, the fields of a table's row, or the reason why the line is neither."""


def require_readable_rows(file: Path, remedy: str) -> None:
    """Raises UserError where lines of the file are no rows. Does nothing where the file has another problem."""
    problems = _describe_broken_lines(file, _parse_lines(file))
    if problems:
        raise UserError(f"{problems}\nFix or remove them{remedy}.")


def read_with_empty_rows(file: Path) -> Dataset | None:
    """Returns all rows, those that cannot be read without values. Returns None where no line is broken."""
    lines = list(_parse_lines(file))
    problems = _describe_broken_lines(file, lines)
    if problems is None:
        return None
    separator = _SEPARATORS.get(file.suffix.lower())
    rows = _read_objects(lines) if separator is None else _read_table(file, lines, separator)
    if rows is not None:
        log.warning("%s", problems)
    return rows


def _parse_lines(file: Path) -> Iterator[Line]:
    """Yields the lines of a file up to where it is no longer text, and none for other formats."""
    suffix = file.suffix.lower()
    with suppress(UnicodeError, csv.Error):
        if suffix in _JSON_LINES:
            yield from _parse_json_lines(file)
        elif suffix in _SEPARATORS:
            yield from _parse_table(file, _SEPARATORS[suffix])


def _parse_json_lines(file: Path) -> Iterator[Line]:
    with file.open(encoding="utf-8-sig") as lines:
        for line in lines:
            if line.strip():
                yield _parse_object(line)


def _parse_object(line: str) -> Line:
    try:
        row = json.loads(line.strip())
    except ValueError as error:
        return f"not JSON ({error})"
    return row if isinstance(row, dict) else "not a JSON object"


def _parse_table(file: Path, separator: str) -> Iterator[Line]:
    """Yields the header's fields, then each row's; a row with fewer fields than the header lacks its last values."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        lines = (line for line in csv.reader(text, delimiter=separator) if line)
        header = next(lines, [])
        yield header
        for line in lines:
            yield line if len(line) <= len(header) else f"{len(line)} fields where the header has {len(header)}"


def _read_objects(lines: Sequence[Line]) -> Dataset | None:
    rows = [line if isinstance(line, dict) else {} for line in lines]
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        return Dataset.from_dict({name: [row.get(name) for row in rows] for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def _read_table(file: Path, lines: Sequence[Line], separator: str) -> Dataset | None:
    """Returns the rows as pandas types them, with empty rows in between; None where pandas counts other rows."""
    readable = [not isinstance(line, str) for line in lines[1:]]
    table = load_dataset("csv", data_files=glob.escape(str(file)), split="train", sep=separator, on_bad_lines="skip")
    if len(table) != sum(readable):
        return None
    numbers = iter(range(len(table)))
    places = pa.array([next(numbers) if is_readable else None for is_readable in readable], pa.int64())
    return Dataset(table.with_format("arrow")[:].take(places))


def _describe_broken_lines(file: Path, lines: Iterable[Line]) -> str | None:
    """Returns which rows cannot be read, and why, or None where all can."""
    rows = -1 if file.suffix.lower() in _SEPARATORS else 0  # the header of a table is no row
    broken, shown = 0, ""
    for line in lines:
        if isinstance(line, str):
            broken += 1
            shown += f"\n  row {rows}: {line}" if broken <= _SHOWN else ""
        rows += 1
    if not broken:
        return None
    more = f"\n  and {broken - _SHOWN} more" if broken > _SHOWN else ""
    return f"{file}: {broken} of {rows} rows cannot be read (counting from 0):{shown}{more}"
