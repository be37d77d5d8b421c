"""Which examples of an evaluation are worth a look: those most wrong, those that changed since the last one, any."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import numpy as np

from hone.core.task import Columns
from hone.inspect.worst import losses, worst

_SEED = 0  # the same random examples at every evaluation and in every run, so that they can be followed


def remarkable(records: Columns, before: Columns | None, count: int) -> list[tuple[str, int]]:
    """Why and where; in turns of each kind, so that the first few are as mixed as all."""
    kinds = {"worst": worst(records, count), "changed": _changed(records, before), "random": _random(records, count)}
    turns = zip_longest(*([(why, place) for place in places] for why, places in kinds.items()))
    first: dict[int, str] = {}
    for why, place in filter(None, chain.from_iterable(turns)):
        first.setdefault(place, why)
    return [(why, place) for place, why in list(first.items())[:count]]


def comparable(records: Columns, before: Columns | None) -> bool:
    """Whether these are the same examples."""
    return before is not None and np.array_equal(np.asarray(records["id"]), np.asarray(before["id"]))


def _changed(records: Columns, before: Columns | None) -> list[int]:
    """Where another prediction was made, or where none is kept another loss; the greatest change of loss first."""
    if before is None or not comparable(records, before):
        return []
    moved = np.zeros(len(records["id"]))
    if "loss" in records:
        moved = np.abs(losses(records) - losses(before))
    different = np.fromiter(_differences(records, before), dtype=bool) if "prediction" in records else moved > 0
    order = np.argsort(-moved, kind="stable")
    return [int(place) for place in order[different[order]]]


def _differences(records: Columns, before: Columns) -> Iterator[bool]:
    pairs: Any = zip(records["prediction"], before["prediction"], strict=True)
    return (not np.array_equal(ours, theirs) for ours, theirs in pairs)


def _random(records: Columns, count: int) -> list[int]:
    places = np.random.default_rng(_SEED).permutation(len(records["id"]))
    return [int(place) for place in places[:count]]
