"""Choices and the label that selects one of them, in the forms that data sets use."""

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

LabelStyle = Literal["text", "index", "letter", "name"]
"""What a label is: the choice itself, its index from 0, its letter from A, or its name in a column of names."""

ChoiceRow = tuple[Any, Any, Any]
"""Choices, names and label."""


def nonempty(choices: Sequence[Any]) -> list[Any]:
    """Drop empty choices at the end: rows with fewer choices than columns leave the last columns empty."""
    kept = list(choices)
    while kept and kept[-1] in (None, ""):
        kept.pop()
    return kept


def find_label_style(rows: Dataset) -> LabelStyle:
    """Return the style in which most labels select a choice."""
    if "names" in rows.column_names:
        return "name"
    usable = [row for row in _read_rows(rows) if _choices_problem(row[0]) is None and row[2] is not None]
    styles: tuple[LabelStyle, ...] = get_args(LabelStyle)[:-1]
    return max(styles, key=lambda style: sum(_has_valid_label(style, row) for row in usable))


def choice_index(style: LabelStyle, label: Any, choices: Sequence[str], names: Sequence[Any] | None) -> int:
    """Return the index of the choice that a label selects; raise ValueError with the reason if there is none."""
    if label is None:
        raise ValueError("the label is missing")
    name = class_name(label)
    if name in ("", "-1"):
        raise ValueError(f"label {name!r} marks withheld labels: leave those rows out")
    options = _valid_labels(style, choices, names)
    if (style == "text" and not isinstance(label, str)) or name not in options:
        expected = f"{options[0]} to {options[-1]}" if style == "index" else join_names(options, 8)
        hint = did_you_mean(name, options) if style != "index" else ""
        raise ValueError(f"label {name!r} is not one of {expected}.{hint}")
    if options.count(name) > 1:
        raise ValueError(f"label {name!r} matches several choices of the row")
    return options.index(name)


def correct_choices(rows: Dataset, style: LabelStyle) -> Iterator[int]:
    """Yield the index of the correct choice of each row that has a valid label."""
    for choices, names, label in _read_rows(rows):
        if _choices_problem(choices) is None and _has_valid_label(style, (choices, names, label)):
            yield choice_index(style, label, nonempty(choices), names)


def choice_faults(rows: Dataset, style: LabelStyle) -> Iterator[Fault]:
    """Yield the rows without a real choice and the labels that select none."""
    for row, (choices, names, label) in enumerate(_read_rows(rows)):
        problem = _choices_problem(choices)
        if problem:
            yield Fault(row, "choices", problem)
            continue
        if names is not None and len(nonempty(names)) != len(nonempty(choices)):
            yield Fault(row, "names", "the numbers of names and of choices differ")
        elif "label" in rows.column_names:
            try:
                choice_index(style, label, nonempty(choices), names)
            except ValueError as error:
                yield Fault(row, "label", str(error))


def _has_valid_label(style: LabelStyle, row: ChoiceRow) -> bool:
    choices, names, label = row
    try:
        choice_index(style, label, nonempty(choices), names)
    except ValueError:
        return False
    return True


def _valid_labels(style: LabelStyle, choices: Sequence[str], names: Sequence[Any] | None) -> list[str]:
    """Return the valid labels of a row, in the order of its choices."""
    if style == "text":
        return list(choices)
    if style == "name":
        return [class_name(name) for name in names or ()][: len(choices)]
    if style == "index":
        return [str(index) for index in range(len(choices))]
    return list(ascii_uppercase[: len(choices)])


def _choices_problem(choices: Any) -> str | None:
    if choices is None:
        return "the choices are missing"
    if not isinstance(choices, list):
        return "expected a list of texts; several columns make one with {choices: [a, b, c]} among the columns"
    kept = nonempty(choices)
    if any(choice is None or (isinstance(choice, str) and not choice.strip()) for choice in kept):
        return "a choice is empty"
    if not all(isinstance(choice, str) for choice in kept):
        return "expected a list of texts, not of " + type(kept[0]).__name__
    return None if len(kept) > 1 else "there are fewer than two choices"


def _read_rows(rows: Dataset) -> Iterator[ChoiceRow]:
    names = read_column(rows, "names") if "names" in rows.column_names else repeat(None)
    labels = read_column(rows, "label") if "label" in rows.column_names else repeat(None)
    # `repeat` never ends, so the columns cannot be zipped strictly.
    return zip(read_column(rows, "choices"), names, labels, strict=False)
