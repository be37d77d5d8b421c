"""Rows that cannot be encoded, found among many by halves: there are few of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hone.core.errors import RowError

_TOGETHER = 1000


def misfits(encode: Callable[[int, int], Any], count: int) -> Iterator[tuple[int, RowError]]:
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
