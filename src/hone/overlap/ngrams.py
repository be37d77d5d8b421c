"""Runs of words or characters, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Counts = Mapping[Any, int]


def ngrams(units: Sequence[str], size: int) -> Counter[Any]:
    """The runs of `size` units: of a text its substrings, of a list its tuples."""
    if isinstance(units, str):
        return Counter(units[start : start + size] for start in range(len(units) - size + 1))
    return Counter(zip(*(units[start:] for start in range(size)), strict=False))


def shared(ours: Counts, theirs: Counts) -> int:
    """How many runs both have, each as often as both have it."""
    return sum(min(count, ours[run]) for run, count in theirs.items() if run in ours)
