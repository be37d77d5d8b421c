"""What is to be predicted: texts from the command line, or rows of a file or of standard input, one after another."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, final

import pyarrow as pa
import pyarrow.parquet as pq

from hone.core.errors import UserError, listed
from hone.core.paths import nearest_path

Row = dict[str, Any]
STANDARD_INPUT = "-"


@final
@dataclass(frozen=True)
class Broken:
    """A row that cannot be read, and why."""

    problem: str


def typed(words: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """The texts of the command line, by role."""
    counts = {role: len(texts) for role, texts in words.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{count} × {role}=" for role, count in counts.items())
        raise UserError(f"{said}: every row needs each of them, so give as many of one as of the other.")
    return (dict(zip(words, texts, strict=True)) for texts in zip(*words.values(), strict=True))


def read(place: str, first_role: str) -> Iterator[Row | Broken]:
    """The rows of a file as it goes; where lines are bare text, the text is called `first_role`."""
    if place == STANDARD_INPUT:
        return _lines(sys.stdin, first_role)
    path = Path(place).expanduser()
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"input={place}: unknown format {path.suffix!r}; hone reads {listed(_READERS)}, and - (stdin).")
    if not path.is_file():
        raise UserError(f"input={place}: no such file.{nearest_path(path)}")
    return _told(reader(path, first_role), place)


def _told(rows: Iterator[Row | Broken], place: str) -> Iterator[Row | Broken]:
    """A file that is not what its name says is a mistake of the user's."""
    try:
        yield from rows
    except UnicodeError as error:
        raise UserError(f"input={place}: not readable as text (hone reads UTF-8): {error}") from error
    except (OSError, pa.ArrowException, csv.Error) as error:
        raise UserError(f"input={place}: not readable: {error}") from error


def _json_lines(path: Path, first_role: str) -> Iterator[Row | Broken]:
    with path.open(encoding="utf-8-sig") as file:
        yield from (_object(line) for line in file if line.strip())


def _texts(path: Path, first_role: str) -> Iterator[Row | Broken]:
    with path.open(encoding="utf-8-sig") as file:
        yield from ({first_role: line.rstrip("\r\n")} for line in file)


def _separated(mark: str) -> Callable[[Path, str], Iterator[Row | Broken]]:
    def rows(path: Path, first_role: str) -> Iterator[Row | Broken]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, delimiter=mark):
                if None in row:
                    yield Broken("more fields than the header has")
                elif None in row.values():
                    yield Broken("fewer fields than the header has")
                else:
                    yield row

    return rows


def _parquet(path: Path, first_role: str) -> Iterator[Row | Broken]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1024):
            yield from batch.to_pylist()


def _lines(file: TextIO, first_role: str) -> Iterator[Row | Broken]:
    """JSON objects or bare texts, as the first line looks."""
    lines = (line for line in file if line.strip())
    for first in lines:
        are_objects = first.lstrip().startswith("{")
        for line in chain([first], lines):
            yield _object(line) if are_objects else {first_role: line.rstrip("\r\n")}


def _object(line: str) -> Row | Broken:
    try:
        row = json.loads(line.strip())
    except ValueError as error:
        return Broken(f"no JSON ({error})")
    return row if isinstance(row, dict) else Broken("no JSON object")


_READERS: dict[str, Callable[[Path, str], Iterator[Row | Broken]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".parquet": _parquet,
    ".txt": _texts,
}
