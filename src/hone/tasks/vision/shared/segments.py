"""Segments: how data sets write the masks of the things in a picture, and which of them cannot be learned.

A row has a list of segments beside a list of their labels. A segment is a number, which a mask has at its pixels, or a
shape of its own as COCO writes it: a list of polygons `[x, y, x, y, …]`, or a run-length encoding with `size` and
`counts`. Numbers of a mask that no segment has are unlabelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import RowError
from hone.core.task import Facts, Fault
from hone.data.media.file import MediaFile
from hone.data.media.images import check, decode_numbers, stored_files
from hone.tasks.metrics.boxes import require_detection_extra
from hone.tasks.targets.classes import class_name, class_names, label_problem
from hone.tasks.vision.shared.boxes import read_list, read_size, shorten
from hone.tasks.vision.shared.masks import size_problem

Areas = np.ndarray[Any, np.dtype[np.bool_]]
"""Where each segment of a picture is: one picture of truth values for each."""

_FEWEST = 6
"""The numbers of a triangle, the smallest polygon."""


def find_segments(rows: Dataset, names: tuple[str, ...] | None) -> Facts:
    """Return the classes with the number of their segments, and the most segments that a picture has. Rows that cannot
    be used are reported by `segment_faults`."""
    counts: Counter[str] = Counter()
    most = 0
    for labels in map(read_list, read_column(rows, "label")):
        if isinstance(labels, list):
            counts.update(class_name(label) for label in labels if label is not None)
            most = max(most, len(labels))
    classes = class_names(counts, names)
    return Facts("segments", classes, tuple(counts[name] for name in classes), {"most": float(most)})


def segment_faults(rows: Dataset, facts: Facts) -> Iterator[Fault]:
    """Yield the rows whose mask, segments or labels cannot be learned. Of a picture that cannot be read, something else
    is wrong."""
    masks = stored_files(rows, "mask") if "mask" in rows.column_names else iter([None] * len(rows))
    columns = ([read_list(value) for value in read_column(rows, role)] for role in ("segments", "label"))
    for row, (picture, mask, segments, labels) in enumerate(
        zip(stored_files(rows, "image"), masks, *columns, strict=True)
    ):
        problem = _list_problem(segments, labels)
        if problem is None:
            yield from _faults_of_row(row, picture, mask, segments)
            problems = (label_problem(class_name(label), facts) for label in labels)
            problem = next((each for each in problems if each), None)
            if problem:
                yield Fault(row, "label", problem)
        else:
            yield Fault(row, "segments", problem)


def _faults_of_row(row: int, picture: MediaFile | None, mask: MediaFile | None, segments: list[Any]) -> Iterator[Fault]:
    numbers: set[int] = set()
    if mask is not None:
        try:
            check(mask)
            values = decode_numbers(mask)
        except RowError as error:
            yield Fault(row, "mask", error.problem)
            return
        wrong_size = size_problem(values.shape, picture)
        if wrong_size:
            yield Fault(row, "mask", f"{mask.name}: {wrong_size}")
            return
        numbers = set(np.unique(values).tolist())
    size = read_size(picture)
    problem = next(
        (each for each in (_shape_problem(segment, numbers, mask, size) for segment in segments) if each), None
    )
    if problem:
        yield Fault(row, "segments", problem)


def draw_areas(segments: Sequence[Any], mask: MediaFile | None, size: tuple[int, int]) -> Areas:
    """Return where each segment of a picture of this width and height is."""
    width, height = size
    values = None if mask is None else decode_numbers(mask)
    areas = [values == segment if _is_number(segment) and values is not None else draw_shape(segment, size)
             for segment in segments]  # fmt: skip
    return np.stack(areas) if areas else np.zeros((0, height, width), dtype=bool)


def draw_shape(shape: Any, size: tuple[int, int]) -> Areas:
    """Return where a shape of COCO is in a picture of this width and height."""
    width, height = size
    tools = require_detection_extra().masks
    if isinstance(shape, list):
        shape = tools.merge(tools.frPyObjects(shape, height, width))
    runs = shape["counts"] if isinstance(shape["counts"], list) else read_runs(shape["counts"])
    areas: Areas = (np.repeat(np.arange(len(runs)) % 2, runs) > 0).reshape(width, height).T
    return areas


def _list_problem(segments: Any, labels: Any) -> str | None:
    """Return why the values are no lists of equal length."""
    if not isinstance(segments, list):
        return f"expected a list of segments ([] for none), not {shorten(segments)}"
    if not isinstance(labels, list):
        return f"expected a list with the label of each segment ([] for none), not {shorten(labels)}"
    if len(segments) != len(labels):
        return f"{len(segments)} segments, but {len(labels)} labels"
    return "a segment has no label" if None in labels else None


def _shape_problem(segment: Any, numbers: set[int], mask: MediaFile | None, size: tuple[int, int] | None) -> str | None:
    """Return why a segment cannot be drawn."""
    if _is_number(segment):
        if mask is None:
            return f"the segment {segment} is a number, but the row has no mask (dataset.columns.mask=…)"
        return None if segment in numbers else f"no pixel of the mask {mask.name} has the segment's number {segment}"
    if isinstance(segment, list):
        return _polygon_problem(segment)
    if not isinstance(segment, dict) or not {"size", "counts"} <= segment.keys():
        return f"the segment {shorten(segment)} is no number, no list of polygons and no run-length encoding"
    return _encoding_problem(segment, size)


def _polygon_problem(polygons: list[Any]) -> str | None:
    for polygon in polygons:
        fits = isinstance(polygon, list) and len(polygon) >= _FEWEST and len(polygon) % 2 == 0
        if not fits or not all(isinstance(each, int | float) and np.isfinite(each) for each in polygon):
            return f"the polygon {shorten(polygon)} is not a list [x, y, x, y, …] of three points or more"
    return None if polygons else "a segment has no polygon"


def _encoding_problem(encoding: dict[str, Any], size: tuple[int, int] | None) -> str | None:
    """Return why a run-length encoding is none of a picture of this width and height."""
    if size is not None and list(encoding["size"]) != [size[1], size[0]]:
        sizes = f"{encoding['size']}, but the picture has {[size[1], size[0]]} (height, width)"
        return f"the run-length encoding has the size {sizes}"
    try:
        counts = encoding["counts"]
        runs = read_runs(counts) if isinstance(counts, str) else [int(count) for count in counts]
    except (IndexError, TypeError, ValueError):
        return f"the counts {shorten(encoding['counts'])} are no runs"
    height, width = encoding["size"]
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        return f"the runs of a run-length encoding add up to {sum(runs)} pixels, not {height * width}"
    return None


def read_runs(text: str | bytes) -> list[int]:
    """Return the runs of a compressed encoding: digits of 5 bits, and from the fourth on, differences to the last but
    one. pycocotools itself would read and write beyond its memory where they do not fit."""
    runs: list[int] = []
    digits = iter(text.encode("ascii") if isinstance(text, str) else text)
    for digit in digits:
        value, shift, digit = 0, 0, digit - 48
        while digit & 32:
            value, shift, digit = value | (digit & 31) << shift, shift + 5, next(digits, -1) - 48
            if digit < 0:
                raise ValueError("the text ends within a number")
        value |= (digit & 31) << shift
        value -= (digit & 16) << (shift + 1)  # the sign
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _is_number(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
