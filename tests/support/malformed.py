"""Malformed rows by name: what is wrong with twelve sound rows, how they are written, and how the command answers."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas
import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
TRAINS = ""
"""The expected words where nothing is wrong."""
BAD = 5
"""The row that is malformed."""


def sound_rows(count: int = 12) -> list[Row]:
    return [{"text": f"text number {row} is good or bad", "label": ("bad", "good")[row % 2]} for row in range(count)]


def write_jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write_json(rows: list[Any]) -> bytes:
    return json.dumps(rows).encode()


def write_csv(rows: list[Row]) -> bytes:
    return pandas.DataFrame(rows).to_csv(index=False).encode()


def write_parquet(rows: list[Row]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


WRITERS: dict[str, Callable[[list[Any]], bytes]] = {
    "jsonl": write_jsonl, "json": write_json, "csv": write_csv, "parquet": write_parquet,
}  # fmt: skip


@dataclass(frozen=True)
class Malformation:
    """`change` gets the rows, `damage` the bytes of the file. `expected` has the words of the message, split by |."""

    expected: str
    formats: str
    change: Callable[[list[Row]], list[Any]] = lambda rows: rows
    damage: Callable[[bytes], bytes] = lambda content: content
    words: str = ""
    otherwise: dict[str, str] | None = None
    """The words of formats that answer differently."""
    rows: Callable[[], list[Row]] = sound_rows

    def content(self, form: str) -> bytes:
        sound = WRITERS[form](self.rows())
        content = self.damage(WRITERS[form](self.change(self.rows())))
        assert content != sound, "nothing is malformed"
        return content

    def answer(self, form: str) -> str:
        return (self.otherwise or {}).get(form, self.expected)


def put(**values: Any) -> Callable[[list[Row]], list[Row]]:
    """Gives the bad row other values."""
    return lambda rows: [row | values if place == BAD else row for place, row in enumerate(rows)]


def drop(column: str) -> Callable[[list[Row]], list[Row]]:
    """Leaves a value of the bad row out."""
    return lambda rows: [
        {name: value for name, value in row.items() if place != BAD or name != column} for place, row in enumerate(rows)
    ]


def numbered() -> list[Row]:
    return [row | {"label": place % 2} for place, row in enumerate(sound_rows())]


def measured() -> list[Row]:
    return [row | {"label": place / 3 + 0.1} for place, row in enumerate(sound_rows())]


def tagged() -> list[Row]:
    return [{"words": ["anna", "lives", "here"], "label": ["B-PER", "O", "O"]} for _ in range(12)]


def first(line: bytes) -> Callable[[bytes], bytes]:
    return lambda content: line + b"\n" + content


def flipped(content: bytes) -> bytes:
    """Turns 20 bytes in the middle of the first page around."""
    return content[:60] + bytes(byte ^ 0xFF for byte in content[60:80]) + content[80:]


def two_columns(name: str) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(b"text,", f"{name},{name},".encode(), 1).replace(b"\ntext", b"\nx,text")


def nested(levels: int) -> bytes:
    return b'{"text": "x", "label": "good", "more": ' + b"[" * levels + b"]" * levels + b"}"


def without(column: str) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [{name: value for name, value in row.items() if name != column} for row in rows]


def undecodable(content: bytes) -> bytes:
    assert b"number 5" in content
    return content.replace(b"number 5", b"number\xe95")


def uncompressed(content: bytes) -> bytes:
    """Writes a parquet file anew so that its texts are in it letter by letter."""
    plain = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(content)), plain, compression="none")
    return plain.getvalue()


LINES = "jsonl json"
TYPED = "jsonl json parquet"
ALL = "jsonl json csv parquet"
TEXT = "jsonl json csv"
NAMES = "dataset.labels=[no,yes]"
TAGS = "task=token_classification dataset.columns.words=words"
NOT_OBJECT = "row 0: not a JSON object|dataset.on_bad_row=skip"
EMPTY, MISSING = f"'text': the text is empty (row {BAD})", f"'text': the text is missing (row {BAD})"
NO_LABEL = f"'label': the label is missing (row {BAD})"
NAN_IS_MISSING = {"csv": NO_LABEL, "json": NO_LABEL}

MALFORMED: dict[str, Malformation] = {
    "null text": Malformation(MISSING, ALL, put(text=None)),
    "empty text": Malformation(EMPTY, ALL, put(text=""), otherwise={"csv": MISSING}),
    "blank text": Malformation(EMPTY, ALL, put(text=" \t ")),
    "no text": Malformation(MISSING, LINES, drop("text")),
    "null label": Malformation(NO_LABEL, ALL, put(label=None)),
    "no label": Malformation(NO_LABEL, LINES, drop("label")),
    "empty label": Malformation("label ''|(row 5)", TYPED, put(label=""), otherwise={"csv": NO_LABEL}),
    "withheld label": Malformation("label '-1'|withheld|(row 5)", ALL, put(label=-1), words=NAMES, rows=numbered),
    "label out of range": Malformation("label '7'|no, yes|(row 5)", ALL, put(label=7), words=NAMES, rows=numbered),
    "fraction among classes": Malformation(TRAINS, ALL, put(label=1.5), rows=numbered),
    "word among numbers": Malformation(
        "'pos' is text|(row 5)", "jsonl json csv", put(label="pos"), rows=numbered, otherwise={"csv": "'pos'|(row 5)"}
    ),
    "number among words": Malformation("1 is a number|(row 5)", LINES, put(label=1)),
    "text 1 among numbers": Malformation("row 5|'label'|'1'|same way", LINES, put(label="1"), rows=numbered),
    "true among numbers": Malformation("True is a truth value|(row 5)", LINES, put(label=True), rows=numbered),
    "list among labels": Malformation("expected one label, not ['good']|(row 5)", LINES, put(label=["good"])),
    "mapping among labels": Malformation("expected one label, not {'a'|(row 5)", LINES, put(label={"a": "good"})),
    "label NaN": Malformation(
        "expected a number, not nan (row 5)",
        ALL,
        put(label=float("nan")),
        rows=measured,
        otherwise=NAN_IS_MISSING,
    ),
    "label inf": Malformation(
        "expected a number, not inf (row 5)", ALL, put(label=float("inf")), rows=measured, otherwise={"json": NO_LABEL}
    ),
    "label 1e30": Malformation("1e+30 is too large|scale the labels|(row 5)", ALL, put(label=1e30), rows=measured),
    "label 2**70": Malformation(
        "too large|(row 5)", TEXT, put(label=2**70), rows=measured, otherwise={"json": "Value is too big"}
    ),
    "classes of 71 bits": Malformation(
        "row 5|'label'|does not fit into 64 bits", "csv", lambda rows: put(label=2**70)(rows), rows=numbered
    ),
    "one class": Malformation("the label good", ALL, lambda rows: [row | {"label": "good"} for row in rows]),
    "a label per row": Malformation(
        "300 different values in 300 rows|task.kind=regression|task.kind=single_label",
        ALL,
        lambda rows: [row | {"label": place} for place, row in enumerate(sound_rows(300))],
    ),
    "a text per row": Malformation(
        "300 different values in 300 rows|task=summarization|dataset.columns.label=",
        ALL,
        lambda rows: [row | {"label": f"free text {place}"} for place, row in enumerate(sound_rows(300))],
    ),
    "column name twice": Malformation("several columns are called text", "csv", damage=two_columns("text")),
    "no such column": Malformation("no column 'label'", ALL, without("label")),
    "number among texts": Malformation("expected text, not '3' (int)|(row 5)", LINES, put(text=3)),
    "list among texts": Malformation("expected text, not|(row 5)", LINES, put(text=["x"])),
    "lists for texts": Malformation("expected text", TYPED, lambda rows: [row | {"text": ["x"]} for row in rows]),
    "bytes for texts": Malformation("expected text", "parquet", lambda rows: [row | {"text": b"\xff"} for row in rows]),
    "5,000 levels": Malformation("row 0: nested deeper than 60 levels", "jsonl", damage=first(nested(5_000))),
    "100,000 levels": Malformation("row 0: nested deeper than 60 levels", "jsonl", damage=first(nested(100_000))),
    "a million characters": Malformation(TRAINS, ALL, put(text="w" * 1_000_000)),
    "NUL in a text": Malformation(TRAINS, ALL, put(text="a\0b")),
    "right to left": Malformation(TRAINS, ALL, put(text="مرحبا \u202e abc")),
    "emoji": Malformation(TRAINS, ALL, put(text="👩🏽‍🚀 😀")),
    "half a surrogate pair": Malformation(f"row {BAD}: half of a surrogate pair", LINES, put(text="x \ud800")),
    "byte-order mark": Malformation(TRAINS, TEXT, damage=lambda content: b"\xef\xbb\xbf" + content),
    "Windows line ends": Malformation(TRAINS, "jsonl csv", damage=lambda content: content.replace(b"\n", b"\r\n")),
    "UTF-16": Malformation("UTF-16|UTF-8", TEXT, damage=lambda content: content.decode().encode("utf-16")),
    "Latin-1": Malformation(
        "hone reads UTF-8|byte 0xe9|'é'", TEXT, damage=undecodable, otherwise={"jsonl": f"row {BAD}: not UTF-8|'é'"}
    ),
    "not UTF-8 in parquet": Malformation(
        "'text', row 5", "parquet", damage=lambda content: undecodable(uncompressed(content))
    ),
    "cut in the middle": Malformation(
        "cannot be read|not JSON",
        ALL,
        damage=lambda content: content[: len(content) // 2 + 9],
        otherwise={"csv": "'label': the label is missing", "parquet": "not readable as parquet"},
    ),
    "open quote": Malformation("not readable as csv", "csv", damage=lambda content: content + b'"open,good\n'),
    "flipped bytes": Malformation("not readable as parquet", "parquet", damage=flipped),
    "flipped letters": Malformation("'text', row 1", "parquet", damage=lambda content: flipped(uncompressed(content))),
    "row with more fields": Malformation(
        "row 12: 3 fields where the header has 2", "csv", damage=lambda content: content + b"a,b,c\n"
    ),
    "same id in all rows": Malformation(TRAINS, ALL, lambda rows: [row | {"id": 7} for row in rows]),
    "null first": Malformation(NOT_OBJECT, LINES, lambda rows: [None, *rows]),
    "number first": Malformation(NOT_OBJECT, LINES, lambda rows: [3, *rows]),
    "null alone": Malformation(NOT_OBJECT.partition("|")[0], LINES, lambda rows: [None]),
    "null in between": Malformation("row 6: not a JSON object", LINES, lambda rows: [*rows[:6], None, *rows[6:]]),
    "two rows in a line": Malformation(
        "row 0: not JSON (Extra data", "jsonl", damage=lambda content: content.replace(b"}\n{", b"} {", 1)
    ),
    "key twice": Malformation(
        f"row {BAD}: the key 'text' occurs twice",
        LINES,
        damage=lambda content: content.replace(b'"text": "text number 5', b'"text": "", "text": "text number 5'),
    ),
    "raw control character": Malformation(
        f"row {BAD}: not JSON", "jsonl", damage=lambda content: content.replace(b"number 5", b"number\0")
    ),
    "compressed": Malformation("compressed (gzip)|unpack", TEXT, damage=gzip.compress),
    "no rows": Malformation("a.", LINES, lambda rows: []),
    "text for words": Malformation(
        "expected a list of words|(row 5)", LINES, put(words="anna lives here"), words=TAGS, rows=tagged
    ),
    "too few tags": Malformation("3 words and 2 tags (row 5)", TYPED, put(label=["O", "O"]), words=TAGS, rows=tagged),
    "number among tags": Malformation("tag '1'|(row 5)", LINES, put(label=["O", "O", 1]), words=TAGS, rows=tagged),
}
"""Each name with the formats that can hold it."""
