"""Choices and the label that points at one of them, as data sets write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from string import ascii_uppercase
from typing import Any, Literal, get_args

from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import did_you_mean, join_names
from hone.core.task import Fault
from hone.tasks.targets.classes import class_name

Way = Literal["text", "index", "letter", "name"]
"""What a label is: the choice itself, its place from 0, its place from A, or its name in a column of names."""

Row = tuple[Any, Any, Any]
"""Choices, names and label."""


def there(choices: Sequence[Any]) -> list[Any]:
    """Without the gaps at the end: rows with fewer choices than columns leave the last ones empty."""
    kept = list(choices)
    while kept and kept[-1] in (None, ""):
        kept.pop()
    return kept


def find_way(rows: Dataset) -> Way:
    """The way in which most labels point at a choice."""
    if "names" in rows.column_names:
        return "name"
    few = [row for row in _rows(rows) if _problem_of(row[0]) is None and row[2] is not None]
    ways: tuple[Way, ...] = get_args(Way)[:-1]
    return max(ways, key=lambda way: sum(_points(way, row) for row in few))


def place_of(way: Way, label: Any, choices: Sequence[str], names: Sequence[Any] | None) -> int:
    """The choice that a label points at; a ValueError says why there is none."""
    if label is None:
        raise ValueError("the label is missing")
    said = class_name(label)
    if said in ("", "-1"):
        raise ValueError(f"label {said!r} marks labels that are kept secret: leave them out")
    known = _known(way, choices, names)
    if (way == "text" and not isinstance(label, str)) or said not in known:
        among = f"{known[0]} to {known[-1]}" if way == "index" else join_names(known, 8)
        raise ValueError(f"label {said!r} is none of {among}.{did_you_mean(said, known) if way != 'index' else ''}")
    if known.count(said) > 1:
        raise ValueError(f"label {said!r} stands for several choices of the row")
    return known.index(said)


def places(rows: Dataset, way: Way) -> Iterator[int]:
    """Those of the rows that have one."""
    for choices, names, label in _rows(rows):
        if _problem_of(choices) is None and _points(way, (choices, names, label)):
            yield place_of(way, label, there(choices), names)


def choice_faults(rows: Dataset, way: Way) -> Iterator[Fault]:
    """Rows with nothing to choose from, and labels that point nowhere."""
    for row, (choices, names, label) in enumerate(_rows(rows)):
        problem = _problem_of(choices)
        if problem:
            yield Fault(row, "choices", problem)
            continue
        if names is not None and len(there(names)) != len(there(choices)):
            yield Fault(row, "names", "there are not as many names as choices")
        elif "label" in rows.column_names:
            try:
                place_of(way, label, there(choices), names)
            except ValueError as error:
                yield Fault(row, "label", str(error))


def _points(way: Way, row: Row) -> bool:
    choices, names, label = row
    try:
        place_of(way, label, there(choices), names)
    except ValueError:
        return False
    return True


def _known(way: Way, choices: Sequence[str], names: Sequence[Any] | None) -> list[str]:
    """What labels of a row can be, in the order of its choices."""
    if way == "text":
        return list(choices)
    if way == "name":
        return [class_name(name) for name in names or ()][: len(choices)]
    return [*map(str, range(len(choices)))] if way == "index" else [*ascii_uppercase[: len(choices)]]


def _problem_of(choices: Any) -> str | None:
    if choices is None:
        return "the choices are missing"
    if not isinstance(choices, list):
        return "expected a list of texts; several columns make one with {choices: [a, b, c]} among the columns"
    kept = there(choices)
    if any(choice is None or (isinstance(choice, str) and not choice.strip()) for choice in kept):
        return "a choice is empty"
    if not all(isinstance(choice, str) for choice in kept):
        return "expected a list of texts, not of " + type(kept[0]).__name__
    return None if len(kept) > 1 else "there are fewer than two choices"


def _rows(rows: Dataset) -> Iterator[Row]:
    names = read_column(rows, "names") if "names" in rows.column_names else repeat(None)
    labels = read_column(rows, "label") if "label" in rows.column_names else repeat(None)
    return zip(read_column(rows, "choices"), names, labels, strict=False)
