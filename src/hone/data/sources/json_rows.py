"""Rows in JSON: what is wrong with one, and a quick check of whole files. Native readers crash on some of them.

A line `null` at the beginning of a file, or deep nesting, ends pyarrow's reader with a segmentation fault. So it gets a
file only after each row was recognised as a JSON object: nearly all by their first bytes, the rest by parsing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from json import JSONDecoder
from pathlib import Path
from typing import Any, final

import numpy as np

Line = dict[str, Any] | list[str] | str
"""A JSON object, the fields of a table's row, or the reason why the line is neither."""

_DEEPEST = 60
"""How many levels a value may have: arrow stores 64 levels, and a data set takes a few."""
_TOO_DEEP = f"nested deeper than {_DEEPEST} levels"
_CHUNK = 1 << 20
_SECOND_OBJECT = re.compile(rb"\}[^\S\n]*\{")
_HALF_PAIR = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]", re.DOTALL
)
_BOM = b"\xef\xbb\xbf"


@final
class _KeyTwiceError(ValueError):
    """An object has a key twice, so that its value is unclear."""


def parse_object(text: str) -> Line:
    """Returns a JSON object, or the reason why the text is none that a data set can store."""
    try:
        row = json.loads(text.strip(), object_pairs_hook=_to_dict)
    except (RecursionError, ValueError) as error:
        return _describe(error)
    return _problem(row, text) or row


def parse_line(line: bytes) -> Line:
    """Returns the JSON object of a line, or the reason why it has none."""
    try:
        return parse_object(line.decode())
    except UnicodeDecodeError as error:
        return f"not UTF-8 ({describe_byte(error)})"


def iter_lines(file: Path) -> Iterator[bytes]:
    """Yields the lines of a file that are not blank."""
    with file.open("rb") as lines:
        first = next(lines, b"").removeprefix(_BOM)
        if first.strip():
            yield first
        yield from (line for line in lines if line.strip())


def iter_objects(file: Path) -> Iterator[Line]:
    """Yields the rows of a .json file: of an array, of one object, or of one object per line.

    Raises UnicodeDecodeError for an array that is not UTF-8; of lines, those that are not have that as their reason."""
    content = file.read_bytes().removeprefix(_BOM)
    if content.lstrip().startswith(b"["):
        yield from _iter_array(content.decode())
    elif isinstance(whole := parse_line(content), dict):
        yield whole
    else:
        yield from map(parse_line, iter_lines(file))


def has_only_objects(file: Path, chunks: int | None = None) -> bool:
    """Returns whether each line has one JSON object, as far as its bytes show; `chunks` limits how many are read."""
    with file.open("rb") as content:
        for _ in count() if chunks is None else range(chunks):
            chunk = content.read(_CHUNK) + content.readline()
            if not chunk:
                break
            chunk = chunk.removeprefix(_BOM)  # a mark anywhere else is no character of JSON, and is rejected as such
            if not _looks_sound(chunk) and not all(map(_is_object, chunk.split(b"\n"))):
                return False
    return True


def describe_byte(error: UnicodeDecodeError) -> str:
    """Returns where a text stops being UTF-8, and what the byte there means in the encoding that is most likely."""
    byte = error.object[error.start]
    return f"byte 0x{byte:02x} at position {error.start}, which Latin-1 reads as {chr(byte)!r}"


def _looks_sound(chunk: bytes) -> bool:
    """Returns whether all of these lines begin like an object and have nothing that needs a closer look."""
    # A native reader rejects other syntax errors by itself; what it accepts or dies of is what counts here.
    lines = b"\n" + chunk.rstrip()
    objects = lines.count(b"\n{")
    return (
        lines.count(b"\n") == objects
        and (lines.count(b"{") == objects or not _SECOND_OBJECT.search(lines))
        and not (b"\\u" in lines and _HALF_PAIR.search(lines))
        and _most_brackets(lines, objects) < _DEEPEST
        and _is_utf8(lines)
    )


def _most_brackets(lines: bytes, objects: int) -> int:
    """Returns how many brackets open in a line at most, which no nesting can exceed."""
    inner = lines.count(b"{") + lines.count(b"[") - objects
    if inner < _DEEPEST - 1:
        return inner + 1
    codes = np.frombuffer(lines, np.uint8)
    ends = np.append(np.flatnonzero(codes == ord("\n")), len(codes))
    opening = np.flatnonzero((codes == ord("[")) | (codes == ord("{")))
    return int(np.diff(np.searchsorted(opening, ends)).max())


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_object(line: bytes) -> bool:
    return not line.strip() or _looks_sound(line) or isinstance(parse_line(line), dict)


def _describe(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    return str(error) if isinstance(error, _KeyTwiceError) else f"not JSON ({error})"


def _to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise _KeyTwiceError(f"the key {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return row


def _problem(row: Any, text: str) -> str | None:
    """Returns why a parsed value is no row."""
    if isinstance(row, list):
        return "not a JSON object but a list (one list of all rows belongs in a .json file)"
    if not isinstance(row, dict):
        return "not a JSON object"
    if text.count("{") + text.count("[") > _DEEPEST and _depth(row) > _DEEPEST:
        return _TOO_DEEP
    if "\\ud" in text.lower():
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "half of a surrogate pair (\\ud800 to \\udfff), which is no character"
    return None


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [item for item in level if isinstance(item, list | dict)]
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def _iter_array(text: str) -> Iterator[Line]:
    """Yields the rows of an array of objects, or of an array of texts, whose column is `text`."""
    decoder, place = JSONDecoder(object_pairs_hook=_to_dict), text.index("[") + 1
    are_texts = text[place:].lstrip().startswith('"')
    while (place := _skip_separators(text, place)) < len(text) and text[place] != "]":
        start = place
        try:
            row, place = decoder.raw_decode(text, place)
        except (RecursionError, ValueError) as error:
            yield _describe(error)
            return
        row = {"text": row} if are_texts and isinstance(row, str) else row
        yield _problem(row, text[start:place]) or row
    if place == len(text):
        yield "not JSON (the array does not end)"


def _skip_separators(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n,":
        place += 1
    return place
