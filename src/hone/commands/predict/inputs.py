"""The rows that `hone predict` reads: typed on the command line, or from a file or standard input, one at a time."""

from __future__ import annotations

import csv
import glob
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, final

import pyarrow as pa
import pyarrow.parquet as pq

from hone.core.errors import UserError, join_names
from hone.core.paths import nearest_path
from hone.core.task import MediaKind
from hone.data.media.file import ENDINGS
from hone.data.sources.broken_lines import LONGEST_FIELD
from hone.data.sources.json_rows import Line, iter_lines, parse_line, parse_object

STANDARD_INPUT = "-"
_PARQUET_BATCH = 1024
Row = dict[str, Any]


@final
@dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be read, and why."""

    problem: str


def typed_rows(inputs: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """Yield the rows of the command line, which gives the texts of each role."""
    counts = {role: len(texts) for role, texts in inputs.items()}
    if len(set(counts.values())) > 1:
        given = ", ".join(f"{count} × {role}=" for role, count in counts.items())
        raise UserError(f"{given}: every row needs each of them, so give the same number of each.")
    return (dict(zip(inputs, texts, strict=True)) for texts in zip(*inputs.values(), strict=True))


def read_rows(place: str, first_role: str, kind: MediaKind | None = None) -> Iterator[Row | BrokenRow]:
    """Yield the rows of a file, or of standard input; where lines are bare texts, they are called `first_role`.

    With the `kind` of media that this role has, `place` may also be such a file, a folder of them, or a pattern."""
    if place == STANDARD_INPUT:
        return _with_errors_reported(_read_lines(sys.stdin, first_role), place)
    path = Path(place).expanduser()
    reader = _READERS.get(path.suffix.lower())
    if kind is not None and reader is None:
        return ({first_role: str(file)} for file in _find_media(path, place, kind))
    if reader is None:
        raise UserError(
            f"input={place}: unknown format {path.suffix!r}; hone reads {join_names(_READERS)}, and - (stdin)."
        )
    if not path.is_file():
        raise UserError(f"input={place}: no such file.{nearest_path(path)}")
    return _with_errors_reported(reader(path, first_role), place)


def _find_media(path: Path, place: str, kind: MediaKind) -> list[Path]:
    """Return the files that a path, a folder or a pattern stands for, in the order of their names."""
    endings = ENDINGS[kind]
    if path.is_file() or (path.suffix.lower() in endings and not glob.has_magic(place)):
        return [path]
    pattern = glob.escape(str(path)) + "/**/*" if path.is_dir() else str(path)
    files = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 (an absolute pattern)
    chosen = [file for file in files if file.suffix.lower() in endings and file.is_file()]
    if not chosen:
        raise UserError(
            f"input={place}: no {kind} files here.{nearest_path(path)} Give a file, a folder or a pattern "
            f"({join_names(endings)}), or a table ({join_names(_READERS)})."
        )
    return chosen


def _with_errors_reported(rows: Iterator[Row | BrokenRow], place: str) -> Iterator[Row | BrokenRow]:
    """Raise UserError where the content of a file does not match its name."""
    try:
        yield from rows
    except UnicodeError as error:
        raise UserError(f"input={place}: not readable as text (hone reads UTF-8): {error}") from error
    except (OSError, pa.ArrowException, csv.Error) as error:
        raise UserError(f"input={place}: not readable: {error}") from error


def _read_json_lines(path: Path, first_role: str) -> Iterator[Row | BrokenRow]:
    yield from (_to_row(parse_line(line)) for line in iter_lines(path))


def _read_texts(path: Path, first_role: str) -> Iterator[Row | BrokenRow]:
    with path.open(encoding="utf-8-sig") as file:
        yield from ({first_role: line.rstrip("\r\n")} for line in file)


def _read_separated(delimiter: str) -> Callable[[Path, str], Iterator[Row | BrokenRow]]:
    def read(path: Path, first_role: str) -> Iterator[Row | BrokenRow]:
        csv.field_size_limit(LONGEST_FIELD)
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, delimiter=delimiter):
                if None in row:  # DictReader's key for surplus fields, and its value for missing ones
                    yield BrokenRow("more fields than the header has")
                elif None in row.values():
                    yield BrokenRow("fewer fields than the header has")
                else:
                    yield row

    return read


def _read_parquet(path: Path, first_role: str) -> Iterator[Row | BrokenRow]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_PARQUET_BATCH):
            batch.validate(full=True)  # texts that are not UTF-8, which the reader lets pass
            yield from batch.to_pylist()


def _read_lines(file: TextIO, first_role: str) -> Iterator[Row | BrokenRow]:
    """Yield JSON objects or bare texts, whichever the first line is."""
    lines = (line for line in file if line.strip())
    for first in lines:
        are_objects = first.lstrip().startswith("{")
        for line in chain([first], lines):
            yield _to_row(parse_object(line)) if are_objects else {first_role: line.rstrip("\r\n")}


def _to_row(line: Line) -> Row | BrokenRow:
    return line if isinstance(line, dict) else BrokenRow(str(line))


_READERS: dict[str, Callable[[Path, str], Iterator[Row | BrokenRow]]] = {
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".csv": _read_separated(","),
    ".tsv": _read_separated("\t"),
    ".parquet": _read_parquet,
    ".txt": _read_texts,
}
TABLES = frozenset(_READERS)
"""The endings of the files that hold rows."""
