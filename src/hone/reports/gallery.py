"""What a tracker gets to see beside numbers: the data before the training, and examples at each evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np

from hone.core.redact import redact_text
from hone.core.task import Columns, Task
from hone.data.module import DataModule
from hone.data.rows import Rows
from hone.reports.classes import confusion
from hone.reports.examples import comparable, losses, remarkable, short
from hone.tracking.exhibits import Bars, Histogram, Matrix, Table
from hone.tracking.tracker import Tracker

_MOST_LABELS = 100
_BINS = 30


@final
class Gallery:
    """Of one run. From evaluation to evaluation it keeps the last records and nothing else."""

    def __init__(self, rows: Rows, data: DataModule, task: Task, tracker: Tracker) -> None:
        self.rows, self.data, self.task, self.tracker = rows, data, task, tracker
        self.before: dict[str, Columns] = {}

    def overview(self) -> None:
        """How many rows there are, how long they are, how often each label occurs."""
        lines = [[split, len(lengths), *_spread(lengths)] for split, lengths in self.data.lengths.items()]
        names = ("split", "rows", "shortest", "median", "95%", "longest", "tokens")
        self.tracker.exhibit("data/splits", Table(names, lines))
        for split, lengths in self.data.lengths.items():
            counts, edges = np.histogram(lengths, bins=_edges(lengths))
            self.tracker.exhibit(f"data/lengths/{split}", Histogram(counts.tolist(), edges.tolist()))
        facts = self.task.facts
        if facts.labels and facts.counts:
            common = sorted(zip(facts.counts, facts.labels, strict=True), key=lambda pair: -pair[0])[:_MOST_LABELS]
            bars = Bars([redact_text(name) for _, name in common], [count for count, _ in common])
            self.tracker.exhibit("data/labels", bars)

    def examined(self, step: int, split: str, records: Columns) -> None:
        """Which class is taken for which, and the examples worth a look."""
        matrix = confusion(records, self.task.facts)
        if matrix is not None:
            names = [redact_text(name) for name in self.task.facts.labels]
            self.tracker.exhibit(f"{split}/confusion", Matrix(names, matrix.tolist()), step)
        if self.tracker.examples:
            self._predictions(step, split, records)

    def shown(self, step: int, lines: Sequence[str]) -> None:
        """What the model wrote."""
        self.tracker.show("validation/shown", ("text",), [[redact_text(line)] for line in lines], step)

    def _predictions(self, step: int, split: str, records: Columns) -> None:
        before, self.before[split] = self.before.get(split), records
        rows, places = self.rows.splits[split], self._places[split]
        roles = [name for name in rows.column_names if name != "id"]
        told = {"": records} | ({" before": before} if before is not None and comparable(records, before) else {})
        table = []
        for why, place in remarkable(records, before, self.tracker.examples):
            row = rows[places[int(records["id"][place])]]
            read = [redact_text(short(row[role])) for role in roles]
            table.append([why, row["id"], *read, *(cell for each in told.values() for cell in self._told(each, place))])
        said = [f"{what}{when}" for when in told for what in ("prediction", "loss")]
        self.tracker.show(f"{split}/predictions", ("why", "row", *roles, *said), table, step)

    def _told(self, records: Columns, place: int) -> list[Any]:
        record: Mapping[str, Any] = {name: values[place] for name, values in records.items()}
        loss = float(losses(_one(record))[0]) if "loss" in records else None
        return [redact_text(short(self.task.describe(record))), loss]

    @cached_property
    def _places(self) -> dict[str, dict[int, int]]:
        """Where the row of a record is."""
        return {
            split: {int(identity): place for place, identity in enumerate(rows["id"][:])}
            for split, rows in self.rows.splits.items()
            if split != "train"
        }


def _one(record: Mapping[str, Any]) -> Columns:
    return {name: np.asarray([record[name]]) for name in ("loss", "targets")}


def _spread(lengths: Any) -> list[int]:
    return [*map(int, np.quantile(lengths, [0, 0.5, 0.95, 1], method="nearest")), int(np.sum(lengths))]


def _edges(lengths: Any) -> Any:
    """Of bins that are a whole number of tokens wide."""
    low, high = int(np.min(lengths)), int(np.max(lengths)) + 1
    width = max(1, -(-(high - low) // _BINS))
    return np.arange(low, high + width, width)
