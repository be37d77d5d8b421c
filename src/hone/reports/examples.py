"""Which examples of an evaluation are worth a look: those most wrong, those that changed since the last one, any."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import numpy as np
from datasets import Dataset
from rich.markup import escape
from rich.table import Table

from hone.core.task import Columns, Task


def worst(records: Columns, count: int) -> list[int]:
    """The places of the records with the highest loss for each target, highest first."""
    if "loss" not in records:
        return []
    return [int(place) for place in np.argsort(-losses(records), kind="stable")[:count]]


def losses(records: Columns) -> np.ndarray[Any, Any]:
    """For each target: long records have no higher ones than short ones."""
    targets = np.asarray(records["targets"])
    return np.where(targets > 0, np.asarray(records["loss"]) / np.maximum(targets, 1e-12), 0.0)


def worst_table(records: Columns, rows: Dataset, task: Task, count: int) -> Table:
    """What was read, what was wanted and what was said."""
    table = Table(title="highest loss", title_justify="left", title_style="bold")
    table.add_column("row", justify="right")
    table.add_column("loss", justify="right")
    table.add_column("")
    table.add_column("", overflow="fold")
    roles = [name for name in rows.column_names if name != "id"]
    place_of = {identity: place for place, identity in enumerate(rows["id"][:])}
    for place in worst(records, count):
        row = rows[place_of[int(records["id"][place])]]
        said = task.describe({name: values[place] for name, values in records.items()})
        lines = [*((role, short(row[role])) for role in roles), ("prediction", said)]
        for which, (name, text) in enumerate(lines):
            head = ("", "") if which else (str(row["id"]), f"{losses(records)[place]:.3f}")
            table.add_row(*head, name, escape(text))
        table.add_section()
    return table


def short(value: Any, limit: int = 300) -> str:
    text = str(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


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
