"""Rows that cannot work: counted by what is wrong with them, told to the user, and left out if the user agreed."""

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


@final
class Tally:
    """What was found among the rows so far: of each kind of problem how often, and the first places."""

    def __init__(self) -> None:
        self.rows = 0
        self.bad = 0
        self.kinds: Counter[tuple[str, str]] = Counter()
        self.places: dict[tuple[str, str], list[int]] = {}

    def sift(self, rows: Dataset, found: Iterable[Fault]) -> Dataset:
        """The rows without those at fault, which are taken down."""
        faults = list(found)
        self.rows += len(rows)
        if not faults:
            return rows
        ids = read_column(rows, "id")
        for fault in faults:
            self._take_down((fault.role, fault.problem), ids[fault.row])
        bad = {fault.row for fault in faults}
        self.bad += len(bad)
        return rows.select([row for row in range(len(rows)) if row not in bad])

    def told(self, source: Source) -> str:
        """The faults by kind, the commonest first, each with the rows it was seen in."""
        lines = []
        for kind, count in self.kinds.most_common(_SHOWN):
            role, problem = kind
            more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
            at = join_names(self.places[kind])
            where = f"row {at}" if count == 1 else f"{count} rows: {at}{more}"
            column = source.columns.get(role) or role
            name = column if isinstance(column, str) else ", ".join(column)
            lines.append(f"  column {name!r}: {problem} ({where})")
        if len(self.kinds) > _SHOWN:
            lines.append(f"  and {len(self.kinds) - _SHOWN} more kinds of problem")
        return "\n".join(lines)

    def _take_down(self, kind: tuple[str, str], place: int) -> None:
        self.kinds[kind] += 1
        places = self.places.setdefault(kind, [])
        if len(places) < _SHOWN:
            places.append(place)


def report_bad_rows(bad: int, rows: int, told: str, split: str, source: Source) -> None:
    """Ends the command because of bad rows, or warns that they are left out."""
    if not bad:
        return
    place = f"{source.name}, {split} split: {bad} of {rows} rows cannot be used"
    if source.on_bad_row == "error" or bad == rows:
        skip = ", or leave them out with dataset.on_bad_row=skip" if bad < rows else ""
        raise UserError(f"{place} (counting from 0):\n{told}\nMend or remove them{skip}.")
    log.warning("%s and are left out:\n%s", place, told)


_TOGETHER = 1000


def find_bad_rows(encode: Callable[[int, int], Any], count: int) -> Iterator[tuple[int, RowError]]:
    """The places of those among `count` rows that `encode`, given where to begin and to stop, refuses; and why."""
    for start in range(0, count, _TOGETHER):
        yield from _among(encode, start, min(start + _TOGETHER, count))


def _among(encode: Callable[[int, int], Any], start: int, stop: int) -> Iterator[tuple[int, RowError]]:
    try:
        encode(start, stop)
    except RowError as error:
        if stop - start == 1:
            yield start, error
            return
        middle = (start + stop) // 2
        yield from _among(encode, start, middle)
        yield from _among(encode, middle, stop)
