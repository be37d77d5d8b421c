"""From rows to what the network reads: find the columns of each role, number the rows, report or skip bad ones."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from datasets import Dataset

from hone.commands.predict.inputs import BrokenRow, Row
from hone.core.errors import RowError, UserError, closest_choice, did_you_mean, join_names
from hone.core.metric import Columns
from hone.core.task import Predictive
from hone.core.value_types import OnBadRow
from hone.data.bad_rows import find_bad_rows
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media

log = logging.getLogger(__name__)

_SHOWN = 5
"""Skipped rows that are named; the others are counted."""


@final
@dataclass
class RowEncoder:
    """Encodes rows for a task. `columns` says what the input calls a role if not by its name; several make a list."""

    task: Predictive
    columns: Mapping[str, str | list[str]]
    on_bad_row: OnBadRow
    learned_roles: tuple[str, ...] = ()
    """The optional roles that the model was trained with."""
    folder: Path = Path()
    """The folder at which relative paths of media files begin."""
    skipped: list[str] = field(default_factory=list)
    skipped_count: int = 0
    saw_a_row: bool = False

    def __post_init__(self) -> None:
        self.required = [role for role in self.task.roles if role not in self.task.targets]
        optional = [role for role in self.task.optional_roles if role not in self.task.targets]
        self.roles = [*self.required, *optional]
        self.require_roles(self.columns)

    def require_roles(self, roles: Iterable[str]) -> None:
        """Raise UserError for a role that the task does not read."""
        for role in roles:
            if role not in self.roles:
                hint = did_you_mean(role, self.roles)
                raise UserError(f"{role}: to predict, the task reads {join_names(self.roles)}.{hint}")

    def chunks(self, rows: Iterable[Row | BrokenRow], size: int) -> Iterator[dict[int, Row]]:
        """Yield `size` readable rows at a time, by their number in the input."""
        chunk: dict[int, Row] = {}
        for number, row in enumerate(rows):
            if isinstance(row, BrokenRow):
                self._skip(number, row.problem)
                continue
            if not self.saw_a_row:
                self.saw_a_row = True
                self._check_first_row(row)
            chunk[number] = row
            if len(chunk) == size:
                yield chunk
                chunk = {}
        if chunk:
            yield chunk

    def parse_lists(self, row: Row) -> Row:
        """Convert a typed row, in which lists can only be written as JSON."""
        return {role: _parse_list(text) if role in self.task.lists else text for role, text in row.items()}

    def encode(self, chunk: Mapping[int, Row]) -> EncodedRows | None:
        """Encode a chunk without the rows that the task cannot read, where these may be skipped."""
        readable = self._skip_rows(chunk, self._faults(chunk))
        try:
            return self._encode(readable)
        except RowError:
            # Only the processor could tell: search for the bad rows by encoding ever smaller parts.
            rows = list(readable.items())
            bad_rows = find_bad_rows(lambda start, stop: self._encode(dict(rows[start:stop])), len(rows))
            problems = {rows[place][0]: f"{error.role}: {error.problem}" for place, error in bad_rows}
            return self._encode(self._skip_rows(readable, problems))

    def without_undecodable(self, rows: EncodedRows, chunk: Mapping[int, Row]) -> EncodedRows | None:
        """Encode a chunk again, without the rows whose media turned out to be damaged when they were decoded."""

        def decode(start: int, stop: int) -> None:
            rows.collate(self.task, np.arange(start, stop))

        bad_rows = find_bad_rows(decode, len(rows.lengths))
        problems = {int(rows.ids[place]): f"{error.role}: {error.problem}" for place, error in bad_rows}
        read = {int(number): chunk[int(number)] for number in rows.ids}
        return self._encode(self._skip_rows(read, problems))

    def report_skipped(self, done: int) -> None:
        """Report how many rows were skipped, and why the first of them; raise UserError if no row was predicted."""
        if not self.skipped_count:
            return
        more = f"\n  and {self.skipped_count - _SHOWN} more" if self.skipped_count > _SHOWN else ""
        problems = "\n  ".join(self.skipped) + more
        if not done:
            raise UserError(f"input: none of {self.skipped_count} rows can be used:\n  {problems}")
        log.warning("%d rows cannot be used and are left out:\n  %s", self.skipped_count, problems)

    def _skip(self, number: int, problem: str) -> None:
        """Note a bad row, or end the command if bad rows may not be skipped."""
        message = f"row {number} (counting from 0): {problem}"
        if self.on_bad_row == "error":
            raise UserError(f"input: {message}. Fix or remove it, or skip such rows with on_bad_row=skip.")
        self.skipped_count += 1
        if len(self.skipped) < _SHOWN:
            self.skipped.append(message)

    def _skip_rows(self, chunk: Mapping[int, Row], problems: Mapping[int, str]) -> dict[int, Row]:
        for number in sorted(problems):
            self._skip(number, problems[number])
        return {number: row for number, row in chunk.items() if number not in problems}

    def _encode(self, chunk: Mapping[int, Row]) -> EncodedRows | None:
        if not chunk:
            return None
        rows = self.task.without_targets(self._by_role(chunk) | {"id": list(chunk)})
        if not self.task.media:
            return EncodedRows.of(Dataset.from_dict(self.task.encode(rows)), None, self.task)
        canonical = store_media(Dataset.from_dict(rows), self.task, self.columns)
        return EncodedRows.of(Dataset.from_dict(encode_with_media(self.task, canonical[:])), canonical, self.task)

    def _faults(self, chunk: Mapping[int, Row]) -> dict[int, str]:
        """Return what is wrong with rows, by their numbers."""
        numbers = list(chunk)
        try:
            rows = store_media(Dataset.from_dict(self._by_role(chunk) | {"id": numbers}), self.task, self.columns)
        except (
            TypeError,
            ValueError,
            OverflowError,
            NotImplementedError,
        ) as error:  # pyarrow's errors for values that make no column
            if len(chunk) == 1:
                return {numbers[0]: f"its values are of several types, or no text ({error})"}
            faults: dict[int, str] = {}
            for number in numbers:
                faults |= self._faults({number: chunk[number]})
            return faults
        problems: dict[int, str] = {}
        for fault in self.task.find_faults(rows, self.task.facts):
            names = ", ".join(self._column_names(fault.role))
            problems.setdefault(numbers[fault.row], f"{names}: {fault.problem}")  # the first fault of each row
        return problems

    def _by_role(self, chunk: Mapping[int, Row]) -> Columns:
        """Return the values of each required role, and of each optional one that some row of the chunk has."""
        rows = chunk.values()
        present = [role for role in self.roles if role in self.required or any(self._has(role, row) for row in rows)]
        return {role: [self._value(role, row) for row in rows] for role in present}

    def _value(self, role: str, row: Row) -> Any:
        values = [row.get(name) for name in self._column_names(role)]
        value = values[0] if isinstance(self.columns.get(role, role), str) else values
        if role in self.task.media and isinstance(value, str):
            return str(self.folder / Path(value).expanduser())
        return _parse_list(value) if role in self.task.lists and isinstance(value, str) else value

    def _check_first_row(self, row: Row) -> None:
        """Raise UserError where the first row lacks columns; for other rows that is a fault of the row."""
        missing = {
            role: [name for name in self._column_names(role) if name not in row]
            for role in self.required
            if not self._has(role, row)
        }
        if missing:
            advice = dict.fromkeys(self.task.advice[role] for role in missing if role in self.task.advice)
            raise UserError(" ".join([f"input: {_describe_missing(missing, list(row))}", *advice]))
        present = self.task.without_targets({role: [] for role in self.roles if self._has(role, row)})
        absent = [role for role in self.learned_roles if role not in present and role not in self.task.targets]
        if absent:
            log.warning("The model learned from %s as well, which the input does not have.", join_names(absent))

    def _has(self, role: str, row: Row) -> bool:
        return all(name in row for name in self._column_names(role))

    def _column_names(self, role: str) -> list[str]:
        names = self.columns.get(role) or role
        return [names] if isinstance(names, str) else names


def _describe_missing(missing: Mapping[str, list[str]], existing: list[str]) -> str:
    """Name all missing columns with their roles, the existing ones, and the setting that names the right ones."""
    pairs = [(role, name) for role, names in missing.items() for name in names]
    problem = ", ".join(f"no column {name!r} for the role {role!r}" for role, name in pairs)
    close = (closest_choice(name, existing) or closest_choice(role, existing) for role, name in pairs)
    hint = " and ".join(dict.fromkeys(name for name in close if name))
    setting = ", ".join(f"{role}: …" for role in missing)
    return (
        f"{problem}.{f' Did you mean {hint}?' if hint else ''} The columns are {join_names(existing)}; "
        f"name the right ones with columns={{{setting}}}."
    )


def _parse_list(text: str) -> Any:
    """Return a list that was written in JSON; any other text stays as it is."""
    if not text.lstrip().startswith("["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
