"""What is checked about a file before a library reads it: is it text in UTF-8, is every column's name its own?"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hone.core.errors import UserError, join_names
from hone.data.sources.broken_lines import LONGEST_FIELD, SEPARATORS, require_objects
from hone.data.sources.json_rows import describe_byte

_COMPRESSED = {
    b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd",
}  # fmt: skip
"""The first bytes of compressed files."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def require_sound(file: Path, remedy: str = "", chunks: int | None = None) -> None:
    """Raises UserError for a file that a library would crash on or misread. `chunks` limits how much JSON is read."""
    if file.suffix.lower() == ".parquet":
        _require_distinct(_parquet_columns(file), file)
        return
    _require_plain_text(file)
    if file.suffix.lower() in SEPARATORS:
        _require_distinct(_table_columns(file), file)
    require_objects(file, remedy, chunks)


def decode_text(file: Path) -> str:
    """Returns the text of a file; raises UserError with the line where it is not UTF-8."""
    _require_plain_text(file)
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file}: not readable as text (hone reads UTF-8): {_first_bad_line(content, error)}"
        ) from error


def describe_encoding(file: Path) -> str:
    """Returns the line of a file that is not UTF-8, or '' where all are."""
    content = file.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return _first_bad_line(content, error)
    return ""


def _first_bad_line(content: bytes, error: UnicodeDecodeError) -> str:
    line = content.count(b"\n", 0, error.start)
    return f"line {line + 1}: {describe_byte(error)}"


def _require_plain_text(file: Path) -> None:
    """Raises UserError where the first bytes show another encoding or a compressed file."""
    with file.open("rb") as content:
        first = content.read(8)
    if first.startswith(_UTF_16):
        raise UserError(f"{file}: the file is UTF-16 text, and hone reads UTF-8; save it as UTF-8.")
    for mark, name in _COMPRESSED.items():
        if first.startswith(mark):
            raise UserError(f"{file}: the file is compressed ({name}); unpack it first.")


def _table_columns(file: Path) -> list[str]:
    try:
        csv.field_size_limit(LONGEST_FIELD)
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text, delimiter=SEPARATORS[file.suffix.lower()])
            return next((line for line in lines if line), [])
    except (UnicodeError, csv.Error):  # the reader says more
        return []


def _parquet_columns(file: Path) -> list[str]:
    try:
        return list(pq.read_schema(file).names)
    except (OSError, pa.ArrowException):  # the reader says more
        return []


def _require_distinct(columns: Iterable[str], file: Path) -> None:
    """Raises UserError where two columns have one name: nobody knows which of them is meant."""
    names = list(columns)
    twice = [name for name in dict.fromkeys(names) if name.strip() and names.count(name) > 1]
    if twice:
        raise UserError(f"{file}: several columns are called {join_names(twice)}; rename or remove the others.")
    if any("\0" in name for name in names):
        raise UserError(f"{file}: the name of a column has a NUL character; remove it from the header.")
