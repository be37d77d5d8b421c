"""Lines of csv, tsv and JSON files that are no rows. The libraries reject a whole file because of one, or crash.

The lines are reported by row number. Where they may be left out, they are read as rows without values, which are then
treated like any bad row; the rows after them keep their numbers.
"""

from __future__ import annotations

import csv
import glob
import json
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
from datasets import Dataset, load_dataset

from hone.core.errors import UserError
from hone.data.sources.json_rows import Line, has_only_objects, iter_lines, iter_objects, parse_line

log = logging.getLogger(__name__)

_SHOWN = 5
"""How many broken lines a message names."""
LONGEST_FIELD = 2**31 - 1
"""Characters that a field may have: the csv module stops at 131,072, and pandas does not."""
SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")


def require_objects(file: Path, remedy: str, chunks: int | None = None) -> None:
    """Raises UserError unless each row of a JSON file is an object. `chunks` limits how much of it is read."""
    if file.suffix.lower() in _JSON and not has_only_objects(file, chunks):
        require_readable_rows(file, remedy)


def require_readable_rows(file: Path, remedy: str) -> None:
    """Raises UserError where lines of the file are no rows. Does nothing where the file has another problem."""
    problems = _describe_broken_lines(file, _parse_lines(file))
    if problems:
        raise UserError(f"{problems}\nFix or remove them{remedy}.")


def require_storable_numbers(file: Path) -> None:
    """Raises UserError with the place of the first whole number of a table that does not fit into 64 bits."""
    lines = _parse_lines(file)
    header = next(lines, [])
    for row, line in enumerate(lines):
        for name, value in zip(header, line, strict=False):
            if value.lstrip("-").isdecimal() and not -(2**63) <= int(value) < 2**63:
                raise UserError(
                    f"{file}: row {row} (counting from 0), column {name!r}: {value} does not fit into 64 bits."
                )


def require_clear_texts(file: Path, columns: Collection[str]) -> None:
    """Raises UserError for a text such as "1" in a column that also has other values: it is read like the number 1."""
    for row, line in enumerate(_parse_lines(file)):
        for name in columns:
            value = line.get(name) if isinstance(line, dict) else None
            if isinstance(value, str) and _reads_like_another_type(value):
                raise UserError(
                    f"{file}: row {row} (counting from 0), column {name!r}: the text {value!r} stands beside values of "
                    f"other types; write all in the same way."
                )


def _reads_like_another_type(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), str)
    except (ValueError, RecursionError):
        return False


def read_with_empty_rows(file: Path) -> Dataset | None:
    """Returns all rows, those that cannot be read without values. Returns None where no line is broken."""
    lines = list(_parse_lines(file))
    problems = _describe_broken_lines(file, lines)
    if problems is None:
        return None
    separator = SEPARATORS.get(file.suffix.lower())
    rows = _read_objects(lines) if separator is None else _read_table(file, lines, separator)
    if rows is not None:
        log.warning("%s", problems)
    return rows


def _parse_lines(file: Path) -> Iterator[Line]:
    """Yields the lines of a file up to where it is no longer text, and none for other formats."""
    suffix = file.suffix.lower()
    with suppress(UnicodeError, csv.Error):
        if suffix in SEPARATORS:
            yield from _parse_table(file, SEPARATORS[suffix])
        elif suffix == ".json":
            yield from iter_objects(file)
        elif suffix in _JSON:
            yield from map(parse_line, iter_lines(file))


def _parse_table(file: Path, separator: str) -> Iterator[Line]:
    """Yields the header's fields, then each row's; a row with fewer fields than the header lacks its last values."""
    csv.field_size_limit(LONGEST_FIELD)
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
    except (pa.ArrowException, OverflowError):  # values of several types in a column, or too large
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
    rows = -1 if file.suffix.lower() in SEPARATORS else 0  # the header of a table is no row
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
