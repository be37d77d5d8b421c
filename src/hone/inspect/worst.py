"""The examples a model gets most wrong: mislabelled rows and real difficulties gather here."""

from __future__ import annotations

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
