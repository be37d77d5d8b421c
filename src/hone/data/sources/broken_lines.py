"""Lines that are no row: the libraries give up the whole file for one, and count it from somewhere in the middle.

They are named by row; or, where they may be left out, read as rows without any value, which then are bad rows as
others are: the rows behind them keep their numbers.
"""

from __future__ import annotations

import csv
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
_MARKS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson")

Line = dict[str, Any] | list[str] | str
"""A JSON object, the fields of a table, or why it is neither."""


def require_whole(file: Path, remedy: str) -> None:
    """Raises UserError where lines of the file are no rows; says nothing where something else is wrong with it."""
    if told := _told(file, _lines(file)):
        raise UserError(f"{told}\nMend or remove them{remedy}.")


def read_around(file: Path) -> Dataset | None:
    """All rows, those that cannot be read without any value; None where no line is to blame."""
    lines = list(_lines(file))
    told = _told(file, lines)
    if told is None:
        return None
    mark = _MARKS.get(file.suffix.lower())
    rows = _objects(lines) if mark is None else _table(file, lines, mark)
    if rows is not None:
        log.warning("%s", told)
    return rows


def _lines(file: Path) -> Iterator[Line]:
    """Up to where the file is no text any more; of other formats none."""
    suffix = file.suffix.lower()
    with suppress(UnicodeError, csv.Error):
        if suffix in _JSON:
            yield from _json(file)
        elif suffix in _MARKS:
            yield from _fields(file, _MARKS[suffix])


def _json(file: Path) -> Iterator[Line]:
    with file.open(encoding="utf-8-sig") as lines:
        for line in lines:
            if line.strip():
                yield _object(line)


def _object(line: str) -> Line:
    try:
        row = json.loads(line.strip())
    except ValueError as error:
        return f"no JSON ({error})"
    return row if isinstance(row, dict) else "no JSON object"


def _fields(file: Path, mark: str) -> Iterator[Line]:
    """The header's first; a row with fewer fields than it is one without the last values."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        lines = (line for line in csv.reader(text, delimiter=mark) if line)
        header = next(lines, [])
        yield header
        for line in lines:
            yield line if len(line) <= len(header) else f"{len(line)} fields where the header has {len(header)}"


def _objects(lines: Sequence[Line]) -> Dataset | None:
    rows = [line if isinstance(line, dict) else {} for line in lines]
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        return Dataset.from_dict({name: [row.get(name) for row in rows] for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def _table(file: Path, lines: Sequence[Line], mark: str) -> Dataset | None:
    """What pandas makes of the others, which keep their types; None where it counts otherwise."""
    whole = [not isinstance(line, str) for line in lines[1:]]
    read = load_dataset("csv", data_files=str(file), split="train", sep=mark, on_bad_lines="skip")
    if len(read) != sum(whole):
        return None
    numbers = iter(range(len(read)))
    places = pa.array([next(numbers) if there else None for there in whole], pa.int64())
    return Dataset(read.with_format("arrow")[:].take(places))


def _told(file: Path, lines: Iterable[Line]) -> str | None:
    """Which rows cannot be read, and why, as far as there is room; the header of a table is none."""
    first = -1 if file.suffix.lower() in _MARKS else 0
    rows, broken, shown = first, 0, ""
    for line in lines:
        if isinstance(line, str):
            broken += 1
            shown += f"\n  row {rows}: {line}" if broken <= _SHOWN else ""
        rows += 1
    more = f"\n  and {broken - _SHOWN} more" if broken > _SHOWN else ""
    return f"{file}: {broken} of {rows} rows cannot be read (counting from 0):{shown}{more}" if broken else None
