"""Rows that no model can use: finds them, counts them by problem, and reports them or leaves them out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import RowError, UserError, join_names
from hone.core.task import Fault
from hone.data.source import Source

log = logging.getLogger(__name__)

_SHOWN = 5
"""How many kinds of problem, and how many rows of each kind, a message names."""
_CHUNK = 1000
"""How many rows are tried together when bad ones are searched for."""


@final
class BadRowSummary:
    """Counts the bad rows seen so far: how often each problem occurs, and the first rows that have it."""

    def __init__(self) -> None:
        self.rows = 0
        self.bad = 0
        self.problems: Counter[tuple[str, str]] = Counter()
        self.places: dict[tuple[str, str], list[int]] = {}

    def drop_bad_rows(self, rows: Dataset, faults: Iterable[Fault]) -> Dataset:
        """Returns the rows without faults and count the others."""
        faults = list(faults)
        self.rows += len(rows)
        if not faults:
            return rows
        ids = read_column(rows, "id")
        for fault in faults:
            self._count((fault.role, fault.problem), ids[fault.row])
        bad = {fault.row for fault in faults}
        self.bad += len(bad)
        return rows.select([row for row in range(len(rows)) if row not in bad])

    def describe(self, source: Source) -> str:
        """Returns one line per problem, the most frequent first, with the rows that have it."""
        lines = []
        for problem, count in self.problems.most_common(_SHOWN):
            role, text = problem
            more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
            rows = join_names(self.places[problem])
            where = f"row {rows}" if count == 1 else f"{count} rows: {rows}{more}"
            column = source.columns.get(role) or role
            name = column if isinstance(column, str) else ", ".join(column)
            lines.append(f"  column {name!r}: {text} ({where})")
        if len(self.problems) > _SHOWN:
            lines.append(f"  and {len(self.problems) - _SHOWN} more kinds of problem")
        return "\n".join(lines)

    def _count(self, problem: tuple[str, str], place: int) -> None:
        self.problems[problem] += 1
        places = self.places.setdefault(problem, [])
        if len(places) < _SHOWN:
            places.append(place)


def report_bad_rows(bad: int, rows: int, description: str, split: str, source: Source) -> None:
    """Raises UserError because of bad rows, or log that they are left out, as the user chose."""
    if not bad:
        return
    place = f"{source.name}, {split} split: {bad} of {rows} rows cannot be used"
    if source.on_bad_row == "error" or bad == rows:
        skip = ", or leave them out with dataset.on_bad_row=skip" if bad < rows else ""
        raise UserError(f"{place} (counting from 0):\n{description}\nFix or remove them{skip}.")
    log.warning("%s and are left out:\n%s", place, description)


def find_bad_rows(encode: Callable[[int, int], Any], count: int) -> Iterator[tuple[int, RowError]]:
    """Yields the place of each of `count` rows that cannot be encoded, and its error.

    `encode` gets the first place of a range and the place after its last.
    """
    for start in range(0, count, _CHUNK):
        yield from _find_in_range(encode, start, min(start + _CHUNK, count))


def _find_in_range(encode: Callable[[int, int], Any], start: int, stop: int) -> Iterator[tuple[int, RowError]]:
    # A range that fails is halved until single rows are left: a few bad rows cost few calls.
    try:
        encode(start, stop)
    except RowError as error:
        if stop - start == 1:
            yield start, error
            return
        middle = (start + stop) // 2
        yield from _find_in_range(encode, start, middle)
        yield from _find_in_range(encode, middle, stop)
