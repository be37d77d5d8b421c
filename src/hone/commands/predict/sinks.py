"""Where predictions are written: standard output, or a file that appears complete or not at all."""

from __future__ import annotations

import csv
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO, final

import pyarrow as pa
import pyarrow.parquet as pq

from hone.commands.predict.inputs import Row
from hone.core.errors import RunError, UserError, join_names
from hone.core.foreign_text import for_csv, for_json
from hone.core.streams import out, write_json
from hone.runs.folder import require_writable


class Sink(ABC):
    """Writes rows, a chunk at a time."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


@final
class JsonLinesSink(Sink):
    """Writes one JSON object per line, and each chunk at once, for programs that read along."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, rows: Sequence[Row]) -> None:
        self.file.writelines(f"{for_json(row)}\n" for row in rows)
        self.file.flush()

    def close(self) -> None:
        self.file.close()


@final
class StandardOutput(Sink):
    """Prints one JSON object per line. A reader that closes the pipe has read enough, and the command ends."""

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            write_json(row)
        if isinstance(out.error, BrokenPipeError):
            sys.exit(0)
        if out.error is not None:
            raise RunError(f"the predictions cannot be printed: {out.error.strerror}.")

    def close(self) -> None:
        """Do nothing: the stream belongs to the process."""


@final
class CsvSink(Sink):
    """Writes a table that a spreadsheet can open safely; values that are lists or mappings are written as JSON."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8", newline="")
        self.writer: Any = None
        self.columns: list[str] = []

    def write(self, rows: Sequence[Row]) -> None:
        if self.writer is None and rows:
            self.columns = list(rows[0])
            self.writer = csv.writer(self.file)
            self.writer.writerow(map(for_csv, self.columns))
        for row in rows:
            self.writer.writerow([_cell(row.get(name, "")) for name in self.columns])

    def close(self) -> None:
        self.file.close()


@final
class ParquetSink(Sink):
    """Writes a Parquet file; the first chunk determines the types of the columns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def write(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        try:
            table = pa.Table.from_pylist(list(rows), schema=self.writer.schema if self.writer else None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise RunError(f"output={self.path.name}: a row has other types than the first rows: {error}") from error
        if self.writer is None:
            table = table.cast(pa.schema([_with_type(field) for field in table.schema]))
            self.writer = pq.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, pa.schema([]))
        self.writer.close()


@contextmanager
def open_sink(place: str | None) -> Iterator[Sink]:
    """Yield the sink for a file name; an existing file is replaced only when everything is written."""
    if place is None:
        yield StandardOutput()
        return
    path = Path(place).expanduser()
    if path.suffix.lower() not in _SINKS:
        raise UserError(f"output={place}: unknown format {path.suffix!r}; hone writes {join_names(_SINKS)}.")
    if path.is_dir():
        raise UserError(f"output={place}: this is a folder; name a file in it.")
    require_writable(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{os.getpid()}-{path.name}")
    sink: Sink = _SINKS[path.suffix.lower()](unfinished)
    try:
        with closing(sink):
            yield sink
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _cell(value: Any) -> Any:
    return for_csv(for_json(value) if isinstance(value, dict | list) else value)


def _with_type(field: pa.Field) -> pa.Field:
    """A column without any value so far becomes text, which later chunks may have."""
    return pa.field(field.name, pa.string()) if pa.types.is_null(field.type) else field


def _open_json_lines(path: Path) -> Sink:
    return JsonLinesSink(path.open("w", encoding="utf-8"))


_SINKS: dict[str, Any] = {".jsonl": _open_json_lines, ".csv": CsvSink, ".parquet": ParquetSink}
