"""Masks: pictures whose values are classes. Files have the data set's own values; networks count classes from 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from datasets import Dataset
from PIL import Image

from hone.core.errors import RowError, UnsuitableRows, join_names
from hone.core.task import Facts, Fault
from hone.data.media.file import MediaFile
from hone.data.media.images import check, decode_values, read_header, stored_files

Values = np.ndarray[Any, np.dtype[np.integer[Any]]]

UNLABELLED = -100
"""The class of pixels that are neither learned nor scored, as the losses of torch have it."""
_MOST_CLASSES = 256
"""The most values of masks that are taken for classes without names for them."""


@final
class MaskCodes:
    """Which value of a mask is which class."""

    def __init__(self, facts: Facts, ignore: int | None) -> None:
        self.names = facts.labels
        self.values = [int(facts.numbers[name]) for name in facts.labels]
        self.ignore = ignore

    def to_classes(self, values: Values) -> Values:
        """Return the class of each pixel."""
        last = len(self._table) - 1
        classes: Values = self._table[np.where(values < 0, last, np.minimum(values, last))]
        return classes

    def to_values(self, classes: Values) -> Values:
        """Return a mask with the data set's own values."""
        values = np.array(self.values, dtype=np.int32)[classes]
        return values.astype(np.uint8 if max(self.values) < 256 else np.uint16)

    def problem(self, values: Values) -> str | None:
        """Return why a mask cannot be learned, or None if it can."""
        classes = self.to_classes(values)
        unlabelled = np.unique(values[classes == UNLABELLED]).tolist()
        unknown = [value for value in unlabelled if value != self.ignore]
        if unknown:
            names = join_names((f"{value} ({name})" for name, value in zip(self.names, self.values, strict=True)), 12)
            return f"no class has the value {join_names(unknown, 5)}; the classes are {names}"
        return None if (classes != UNLABELLED).any() else "none of its pixels has a class"

    @cached_property
    def _table(self) -> Values:
        """The class of each value. The last entry is for all values beyond."""
        table = np.full(max(self.values) + 2, UNLABELLED, dtype=np.int32)
        table[self.values] = np.arange(len(self.values))
        return table


def find_classes(rows: Dataset, names: Sequence[str] | None, ignore: int | None) -> Facts:
    """Return the classes of the masks with the number of their pixels, and the value of each class.

    Names belong to the values from 0 on, without the one that is ignored. Without names each value that occurs is a
    class of its own."""
    counts = _count_values(rows)
    counts.pop(ignore, 0)
    values = sorted(value for value in counts if value is not None)
    if names is not None:
        values = [value for value in range(len(names) + 1) if value != ignore][: len(names)]
    elif len(values) > _MOST_CLASSES:
        raise UnsuitableRows(
            f"the masks have {len(values)} different values, too many for classes: expected the number of a class in "
            f"each pixel. If another column has the masks, name it with dataset.columns.mask=…."
        )
    labels = tuple(names or map(str, values))
    numbers = dict(zip(labels, map(float, values), strict=True))
    return Facts("masks", labels, tuple(counts[value] for value in values), numbers)


def mask_faults(rows: Dataset, codes: MaskCodes) -> Iterator[Fault]:
    """Yield the rows whose mask is no whole picture, has another size than the picture, or has unknown values."""
    for row, (mask, picture) in enumerate(zip(*(stored_files(rows, role) for role in ("mask", "image")), strict=True)):
        problem = "the mask is missing" if mask is None else _problem_of(mask, picture, codes)
        if problem:
            yield Fault(row, "mask", problem)


def decode_mask(file: MediaFile, codes: MaskCodes) -> Image.Image:
    """Return the class of each pixel."""
    return Image.fromarray(codes.to_classes(decode_values(file).astype(np.int32)))


def _problem_of(mask: MediaFile, picture: MediaFile | None, codes: MaskCodes) -> str | None:
    try:
        check(mask)
        values = decode_values(mask).astype(np.int64)
    except RowError as error:
        return error.problem
    problem = codes.problem(values) or size_problem(values.shape, picture)
    return problem and f"{mask.name}: {problem}"


def size_problem(shape: tuple[int, ...], picture: MediaFile | None) -> str | None:
    """Return whether the sizes differ. Of a picture that cannot be read, something else is wrong."""
    try:
        header = None if picture is None else read_header(picture)
    except RowError:
        return None
    height, width = shape
    if header is None or (header.width, header.height) == (width, height):
        return None
    return f"{width} × {height} pixels, but the picture has {header.width} × {header.height}"


def _count_values(rows: Dataset) -> Counter[int | None]:
    """Count the pixels of each value. Masks that cannot be read are reported by `mask_faults`."""
    counts: Counter[int | None] = Counter()
    for file in stored_files(rows, "mask"):
        try:
            values = None if file is None else decode_values(file)
        except RowError:
            continue
        if values is not None:
            counts.update(dict(zip(*(part.tolist() for part in np.unique(values, return_counts=True)), strict=True)))
    return counts
