"""Where predictions go: standard output or a file, which appears whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO, final

import pyarrow as pa
import pyarrow.parquet as pq

from hone.commands.predict.rows import Row
from hone.core.errors import RunError, UserError, join_names
from hone.runs.folder import require_writable


class Sink(ABC):
    """Takes in rows, a chunk at a time."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


@final
class JsonLines(Sink):
    """A JSON object a line, at once where somebody reads along."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, rows: Sequence[Row]) -> None:
        self.file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        self.file.flush()

    def close(self) -> None:
        if self.file is not sys.stdout:
            self.file.close()


@final
class Csv(Sink):
    """What is no text or number becomes JSON."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8", newline="")
        self.writer: Any = None

    def write(self, rows: Sequence[Row]) -> None:
        if self.writer is None and rows:
            self.writer = csv.DictWriter(self.file, list(rows[0]), extrasaction="ignore", restval="")
            self.writer.writeheader()
        for row in rows:
            self.writer.writerow({name: _cell(value) for name, value in row.items()})

    def close(self) -> None:
        self.file.close()


@final
class Parquet(Sink):
    """The first chunk tells the types of the columns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def write(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        try:
            table = pa.Table.from_pylist(list(rows), schema=self.writer.schema if self.writer else None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise RunError(
                f"output={self.path.name}: a row does not have the types of the first ones: {error}"
            ) from error
        if self.writer is None:
            table = table.cast(pa.schema([_typed(field) for field in table.schema]))
            self.writer = pq.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, pa.schema([]))
        self.writer.close()


@contextmanager
def open_sink(place: str | None) -> Iterator[Sink]:
    """The sink for a file's name; a file that is there is replaced once all is written."""
    if place is None:
        yield JsonLines(sys.stdout)
        return
    path = Path(place).expanduser()
    if path.suffix.lower() not in _SINKS:
        raise UserError(f"output={place}: unknown format {path.suffix!r}; hone writes {join_names(_SINKS)}.")
    if path.is_dir():
        raise UserError(f"output={place}: is a folder.")
    require_writable(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{os.getpid()}-{path.name}")
    sink: Sink = _SINKS[path.suffix.lower()](draft)
    try:
        with closing(sink):
            yield sink
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value


def _typed(field: pa.Field) -> pa.Field:
    """A column without any value so far may yet have texts."""
    return pa.field(field.name, pa.string()) if pa.types.is_null(field.type) else field


def _json_lines(path: Path) -> Sink:
    return JsonLines(path.open("w", encoding="utf-8"))


_SINKS: dict[str, Any] = {".jsonl": _json_lines, ".csv": Csv, ".parquet": Parquet}
