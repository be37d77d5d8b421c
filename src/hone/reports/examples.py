"""The examples of an evaluation that are worth a look: the worst, those that changed since the last evaluation, and
some at random."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any

import numpy as np
from datasets import Dataset
from rich.table import Table

from hone.core.metric import Columns
from hone.core.task import Task
from hone.data.media.file import media_name

_SEED = 0
"""Every evaluation of every run draws the same random examples, so that they can be followed."""


def worst_places(records: Columns, count: int) -> list[int]:
    """Find the places of the records with the highest loss per target, highest first."""
    if "loss" not in records:
        return []
    return [int(place) for place in np.argsort(-losses_per_target(records), kind="stable")[:count]]


def losses_per_target(records: Columns) -> np.ndarray[Any, Any]:
    """Divide the losses by the number of targets. Otherwise long records would seem worse than short ones."""
    targets = np.asarray(records["targets"])
    return np.where(targets > 0, np.asarray(records["loss"]) / np.maximum(targets, 1e-12), 0.0)


def worst_table(records: Columns, rows: Dataset, task: Task, count: int) -> Table:
    """Show the rows with the highest loss: inputs, targets and prediction."""
    table = Table(title="highest loss", title_justify="left", title_style="bold")
    table.add_column("row", justify="right")
    table.add_column("loss", justify="right")
    table.add_column("")
    table.add_column("", overflow="fold")
    roles = [name for name in rows.column_names if name != "id"]
    place_of = {row_id: place for place, row_id in enumerate(rows["id"][:])}
    losses = losses_per_target(records) if "loss" in records else np.zeros(0)
    for place in worst_places(records, count):
        row = rows[place_of[int(records["id"][place])]]
        prediction = task.describe({name: values[place] for name, values in records.items()})
        lines = [*((role, shorten(row[role])) for role in roles), ("prediction", prediction)]
        head = [(str(row["id"]), f"{losses[place]:.3f}")]
        head += [("", "")] * (len(lines) - 1)
        for cells, (name, text) in zip(head, lines, strict=True):
            table.add_row(*cells, name, text)
        table.add_section()
    return table


def shorten(value: Any, limit: int = 300) -> str:
    text = str(media_name(value))
    return text if len(text) <= limit else f"{text[:limit]}…"


def choose_examples(records: Columns, before: Columns | None, count: int) -> list[tuple[str, int]]:
    """Choose examples and return for each the reason and its place in the records.

    The three reasons take turns, so that the first few examples are as mixed as all of them. An example that is chosen
    twice keeps its first reason.
    """
    kinds = {
        "worst": worst_places(records, count),
        "changed": _changed_places(records, before),
        "random": _random_places(records, count),
    }
    turns = zip_longest(*([(reason, place) for place in places] for reason, places in kinds.items()))
    reason_of: dict[int, str] = {}
    for reason, place in filter(None, chain.from_iterable(turns)):
        reason_of.setdefault(place, reason)
    return [(reason, place) for place, reason in list(reason_of.items())[:count]]


def has_same_examples(records: Columns, before: Columns | None) -> bool:
    return before is not None and np.array_equal(np.asarray(records["id"]), np.asarray(before["id"]))


def _changed_places(records: Columns, before: Columns | None) -> list[int]:
    """Find the records whose prediction changed, or whose loss changed if predictions are not stored. The greatest
    change of loss comes first."""
    if before is None or not has_same_examples(records, before):
        return []
    moved = np.zeros(len(records["id"]))
    if "loss" in records:
        moved = np.abs(losses_per_target(records) - losses_per_target(before))
    different = _differ(records["prediction"], before["prediction"]) if "prediction" in records else moved > 0
    order = np.argsort(-moved, kind="stable")
    return [int(place) for place in order[different[order]]]


def _differ(ours: Any, theirs: Any) -> np.ndarray[Any, Any]:
    """Compare item by item. An item may itself be an array or a list."""
    pairs = zip(ours, theirs, strict=True)
    return np.fromiter((not np.array_equal(mine, other) for mine, other in pairs), dtype=bool)


def _random_places(records: Columns, count: int) -> list[int]:
    places = np.random.default_rng(_SEED).permutation(len(records["id"]))
    return [int(place) for place in places[:count]]
