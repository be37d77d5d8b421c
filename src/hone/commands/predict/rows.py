"""Which columns a prediction needs, and the rows that have them: numbered, in chunks, bad ones named or left out."""

from __future__ import annotations

import csv
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, final

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from hone.core.errors import RowError, UserError, did_you_mean, join_names
from hone.core.paths import nearest_path
from hone.core.task import Columns, Predictive
from hone.core.value_types import OnBadRow
from hone.data.bad_rows import find_bad_rows

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
        raise UserError(
            f"input={place}: unknown format {path.suffix!r}; hone reads {join_names(_READERS)}, and - (stdin)."
        )
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


log = logging.getLogger(__name__)

_SHOWN = 5


@final
@dataclass
class Asked:
    """`columns` says what the input calls a role, where that is not the role's own name; several make a list."""

    task: Predictive
    columns: Mapping[str, str | list[str]]
    on_bad_row: OnBadRow
    learned_from: tuple[str, ...] = ()
    """The roles that the model can do without, and learned from."""
    skipped: list[str] = field(default_factory=list)
    left_out: int = 0
    begun: bool = False

    def __post_init__(self) -> None:
        self.required = [role for role in self.task.roles if role not in self.task.targets]
        self.known = [*self.required, *(role for role in self.task.optional_roles if role not in self.task.targets)]
        self.require_known(self.columns)

    def require_known(self, roles: Iterable[str]) -> None:
        """Raises UserError for what the task does not read."""
        for role in roles:
            if role not in self.known:
                hint = did_you_mean(role, self.known)
                raise UserError(f"{role}: to predict, the task reads {join_names(self.known)}.{hint}")

    def chunks(self, rows: Iterable[Row | Broken], size: int) -> Iterator[dict[int, Row]]:
        """The readable rows by their number in the input, so many at a time."""
        chunk: dict[int, Row] = {}
        for number, row in enumerate(rows):
            if isinstance(row, Broken):
                self._skip(number, row.problem)
                continue
            self._require_columns(row)
            chunk[number] = row
            if len(chunk) == size:
                yield chunk
                chunk = {}
        if chunk:
            yield chunk

    def with_lists(self, row: Row) -> Row:
        """A row that was typed, where lists can only be written in JSON."""
        return {role: _listed(text) if role in self.task.lists else text for role, text in row.items()}

    def encoded(self, chunk: Mapping[int, Row]) -> Columns:
        """As the task reads them; without rows that it cannot read, where that is allowed."""
        readable = self._without(chunk, self._faults(chunk))
        try:
            return self._encode(readable)
        except RowError:
            rows = list(readable.items())
            found = find_bad_rows(lambda start, stop: self._encode(dict(rows[start:stop])), len(rows))
            problems = {rows[place][0]: f"{error.role}: {error.problem}" for place, error in found}
            return self._encode(self._without(readable, problems))

    def tell(self, done: int) -> None:
        """How many rows were left out, and why the first of them."""
        if not self.left_out:
            return
        more = f"\n  and {self.left_out - _SHOWN} more" if self.left_out > _SHOWN else ""
        told = "\n  ".join(self.skipped) + more
        if not done:
            raise UserError(f"input: none of {self.left_out} rows can be used:\n  {told}")
        log.warning("%d rows cannot be used and are left out:\n  %s", self.left_out, told)

    def _skip(self, number: int, problem: str) -> None:
        """Ends the command, unless the user agreed to go on without such rows."""
        said = f"row {number} (counting from 0): {problem}"
        if self.on_bad_row == "error":
            raise UserError(f"input: {said}. Mend or remove it, or leave such rows out with on_bad_row=skip.")
        self.left_out += 1
        self.skipped = [*self.skipped, said][:_SHOWN]

    def _without(self, chunk: Mapping[int, Row], problems: Mapping[int, str]) -> dict[int, Row]:
        for number in sorted(problems):
            self._skip(number, problems[number])
        return {number: row for number, row in chunk.items() if number not in problems}

    def _encode(self, chunk: Mapping[int, Row]) -> Columns:
        return self.task.encode(self.task.without_targets(self._roles(chunk) | {"id": list(chunk)})) if chunk else {}

    def _faults(self, chunk: Mapping[int, Row]) -> dict[int, str]:
        """What is wrong with rows, by their numbers."""
        numbers = list(chunk)
        try:
            rows = Dataset.from_dict(self._roles(chunk))
        except (TypeError, ValueError, OverflowError) as error:  # what pyarrow says of values that make no column
            if len(chunk) == 1:
                return {numbers[0]: f"its values are of several types, or no text ({error})"}
            return {number: said for one in numbers for number, said in self._faults({one: chunk[one]}).items()}
        found = list(self.task.find_faults(rows, self.task.facts))[::-1]  # of several in one row the first is told
        return {numbers[fault.row]: f"{', '.join(self._names(fault.role))}: {fault.problem}" for fault in found}

    def _roles(self, chunk: Mapping[int, Row]) -> Columns:
        here = [
            role for role in self.known if role in self.required or any(self._has(role, row) for row in chunk.values())
        ]
        return {role: [self._value(role, row) for row in chunk.values()] for role in here}

    def _value(self, role: str, row: Row) -> Any:
        values = [row.get(name) for name in self._names(role)]
        value = values[0] if isinstance(self.columns.get(role, role), str) else values
        return _listed(value) if role in self.task.lists and isinstance(value, str) else value

    def _require_columns(self, row: Row) -> None:
        """The first row must have them; where one of the others lacks some, that is a fault of its own."""
        if self.begun:
            return
        self.begun = True
        needed = [(role, column) for role in self.required for column in self._names(role)]
        for role, column in needed:
            if column not in row:
                raise UserError(
                    f"input: no column {column!r} for the role {role!r}.{did_you_mean(column, row)} It has {join_names(row)}; "
                    f"say which with columns={{{role}: …}}."
                )
        answered = self.task.without_targets({role: [] for role in self.known if self._has(role, row)})
        if missed := [role for role in self.learned_from if role not in answered and role not in self.task.targets]:
            log.warning("The model learned from %s as well, and the input has none.", join_names(missed))

    def _has(self, role: str, row: Row) -> bool:
        return all(name in row for name in self._names(role))

    def _names(self, role: str) -> list[str]:
        names = self.columns.get(role) or role
        return [names] if isinstance(names, str) else names


def _listed(text: str) -> Any:
    """A list that was written in JSON; any other text as it is."""
    if not text.lstrip().startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
