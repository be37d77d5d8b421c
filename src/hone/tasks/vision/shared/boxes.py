"""Boxes around things: how data sets write them, which of them cannot be learned, and how networks read them.

A data set has left, top, width and height in pixels of the upright picture; a `Sample` has left, top, right and bottom;
a network has the centre, the width and the height as shares of the picture.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import RowError
from hone.core.task import Facts, Fault
from hone.data.media.file import MediaFile
from hone.data.media.images import read_header, stored_files
from hone.tasks.targets.classes import class_name, class_names, label_problem

Boxes = np.ndarray[Any, np.dtype[np.floating[Any]]]
"""Rows of four numbers."""

_SLACK = 1.0
"""How many pixels a box may reach beyond its picture, which rounding explains. It is cut there."""
_SIDES = ("left", "top", "width", "height")


def read_list(value: Any) -> Any:
    """Return a list, which a file that has only text contains as JSON. What is no list stays as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def find_things(rows: Dataset, names: tuple[str, ...] | None) -> Facts:
    """Return the classes with the number of their boxes, the mean box of the most frequent class in shares of the
    picture, and the most boxes that a picture has. Rows that cannot be used are reported by `box_faults`."""
    counts: Counter[str] = Counter()
    shares: dict[str, Boxes] = {}
    most = 0
    for _, size, boxes, labels in _iter_rows(rows):
        if size is None or _list_problem(boxes, labels) or any(map(_number_problem, boxes)):
            continue
        most = max(most, len(boxes))
        for box, label in zip(boxes, map(class_name, labels), strict=True):
            counts[label] += 1
            shares[label] = shares.get(label, np.zeros(4)) + np.array(box, dtype=float) / (*size, *size)
    classes = class_names(counts, names)
    usual = max(classes, key=lambda name: counts[name], default="")
    mean = shares.get(usual, np.zeros(4)) / max(counts[usual], 1)
    numbers = dict(zip(_SIDES, mean.tolist(), strict=True)) | {"most": float(most)}
    return Facts("boxes", classes, tuple(counts[name] for name in classes), numbers)


def usual_box(facts: Facts, size: Sequence[float]) -> tuple[list[float], int]:
    """Return the mean box of the most frequent class in a picture of this width and height, and the class."""
    shares = [facts.numbers[side] for side in _SIDES]
    return [share * side for share, side in zip(shares, (*size, *size), strict=True)], int(np.argmax(facts.counts))


def box_faults(rows: Dataset, facts: Facts) -> Iterator[Fault]:
    """Yield the rows whose boxes or labels cannot be learned. Of a picture that cannot be read, something else is
    wrong."""
    for row, size, boxes, labels in _iter_rows(rows):
        problem = _list_problem(boxes, labels) or _first_problem(boxes, size)
        if problem:
            yield Fault(row, "boxes", problem)
            continue
        problems = (label_problem(class_name(label), facts) for label in labels)
        unknown = next((each for each in problems if each), None)
        if unknown:
            yield Fault(row, "label", unknown)


def to_corners(boxes: Boxes, size: tuple[int, int]) -> Boxes:
    """Return left, top, right and bottom within a picture of this width and height, from left, top, width, height."""
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    return corners.clip(0, (*size, *size))


def to_shares(corners: Boxes, size: tuple[int, int]) -> Boxes:
    """Return what a network reads: the centre, the width and the height as shares of the picture."""
    low, high = corners[:, :2] / size, corners[:, 2:] / size
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def from_shares(shares: Boxes, size: tuple[int, int]) -> Boxes:
    """Return left, top, width and height in pixels, from what a network reads."""
    return np.concatenate([shares[:, :2] - shares[:, 2:] / 2, shares[:, 2:]], axis=1) * (*size, *size)


def _iter_rows(rows: Dataset) -> Iterator[tuple[int, tuple[int, int] | None, Any, Any]]:
    """Yield the number of each row, the size of its picture if it can be read, its boxes and its labels."""
    columns = ([read_list(value) for value in read_column(rows, role)] for role in ("boxes", "label"))
    for row, (file, boxes, labels) in enumerate(zip(stored_files(rows, "image"), *columns, strict=True)):
        yield row, read_size(file), boxes, labels


def read_size(file: MediaFile | None) -> tuple[int, int] | None:
    """Return the width and the height of a picture, or None if it cannot be read."""
    try:
        header = None if file is None else read_header(file)
    except RowError:
        return None
    return None if header is None else (header.width, header.height)


def _list_problem(boxes: Any, labels: Any) -> str | None:
    """Return why the values are no lists of equal length."""
    if not isinstance(boxes, list):
        return f"expected a list of boxes [left, top, width, height] ([] for none), not {shorten(boxes)}"
    if not isinstance(labels, list):
        return f"expected a list with the label of each box ([] for none), not {shorten(labels)}"
    if len(boxes) != len(labels):
        return f"{len(boxes)} boxes, but {len(labels)} labels"
    return "a box has no label" if None in labels else None


def _first_problem(boxes: list[Any], size: tuple[int, int] | None) -> str | None:
    problems = (_number_problem(box) or (_place_problem(box, *size) if size else None) for box in boxes)
    return next((problem for problem in problems if problem), None)


def _number_problem(box: Any) -> str | None:
    """Return why a value is no box with an area."""
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        return f"the box {shorten(box)} is not four numbers: left, top, width, height"
    if not all(map(math.isfinite, box)):
        return f"the box {shorten(box)} has a number that is not finite"
    return None if box[2] > 0 and box[3] > 0 else f"the box {shorten(box)} has no area; width and height must exceed 0"


def _place_problem(box: list[float], width: int, height: int) -> str | None:
    left, top = box[:2]
    within = left >= -_SLACK and top >= -_SLACK
    if within and left + box[2] <= width + _SLACK and top + box[3] <= height + _SLACK:
        return None
    return f"the box {shorten(box)} (left, top, width, height) reaches beyond the picture's {width} × {height} pixels"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shorten(value: Any) -> str:
    """Return the beginning of a value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
