"""What a tracker shows beside numbers: the data before the training, and examples at each evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np

from hone.core.metric import Columns
from hone.core.redact import redact_text
from hone.core.task import Task
from hone.data.module import DataModule
from hone.data.rows import Rows
from hone.reports.classes import confusion_matrix
from hone.reports.examples import choose_examples, has_same_examples, losses_per_target, shorten
from hone.reports.media_examples import store_media_example
from hone.runs.folder import Folder
from hone.tracking.exhibits import Bars, Files, Histogram, Matrix, Table
from hone.tracking.tracker import Tracker

_MOST_LABELS = 100
_BINS = 30
_SUMMARY = ("split", "rows", "shortest", "median", "95%", "longest")


@final
class Gallery:
    """Sends tables and charts of one run to its tracker. Of past evaluations it keeps only the last one's records."""

    def __init__(self, rows: Rows, data: DataModule, task: Task, tracker: Tracker, folder: Folder) -> None:
        self.rows, self.data, self.task, self.tracker, self.folder = rows, data, task, tracker, folder
        self.before: dict[str, Columns] = {}
        """The records of the last evaluation, by split."""

    def overview(self) -> None:
        """Show the number of rows, their lengths and the frequency of the labels."""
        lengths = {split: rows.lengths for split, rows in self.data.splits.items()}
        summary = [[split, len(values), *_summarize_lengths(values)] for split, values in lengths.items()]
        self.tracker.exhibit("data/splits", Table((*_SUMMARY, self.task.unit), summary))
        for split, values in lengths.items():
            counts, edges = np.histogram(values, bins=_bin_edges(values))
            self.tracker.exhibit(f"data/lengths/{split}", Histogram(counts.tolist(), edges.tolist()))
        facts = self.task.facts
        if facts.labels and facts.counts:
            pairs = zip(facts.counts, facts.labels, strict=True)
            common = sorted(pairs, key=lambda pair: -pair[0])[:_MOST_LABELS]
            bars = Bars([redact_text(label) for _, label in common], [count for count, _ in common])
            self.tracker.exhibit("data/labels", bars)

    def examined(self, step: int, split: str, records: Columns) -> None:
        """Show the confusion matrix, and the examples that are worth a look."""
        matrix = confusion_matrix(records, self.task.facts)
        if matrix is not None:
            labels = [redact_text(label) for label in self.task.facts.labels]
            self.tracker.exhibit(f"{split}/confusion", Matrix(labels, matrix.tolist()), step)
        if self.tracker.examples:
            self._show_predictions(step, split, records)

    def shown(self, step: int, lines: Sequence[str]) -> None:
        """Show texts that the model wrote."""
        self.tracker.show("validation/shown", ("text",), [[redact_text(line)] for line in lines], step)

    def _show_predictions(self, step: int, split: str, records: Columns) -> None:
        """Show the chosen examples with their predictions and losses, those of the last evaluation included."""
        before, self.before[split] = self.before.get(split), records
        versions = {"": records}
        if before is not None and has_same_examples(records, before):
            versions[" before"] = before
        rows, place_of = self.rows.splits[split], self._place_of[split]
        roles = [name for name in rows.column_names if name != "id"]
        table = []
        examples = choose_examples(records, before, self.tracker.examples)
        self._show_media(step, split, records, [place for _, place in examples])
        for reason, place in examples:
            row = rows[place_of[int(records["id"][place])]]
            line = [reason, row["id"], *(redact_text(shorten(row[role])) for role in roles)]
            for version in versions.values():
                line += self._prediction_and_loss(version, place)
            table.append(line)
        results = [f"{name}{suffix}" for suffix in versions for name in ("prediction", "loss")]
        self.tracker.show(f"{split}/predictions", ("why", "row", *roles, *results), table, step)

    def _show_media(self, step: int, split: str, records: Columns, places: Sequence[int]) -> None:
        """Show the pictures, sounds and videos of the chosen examples, with their targets and predictions."""
        rows, place_of = self.rows.splits[split], self._place_of[split]
        for role in [role for role in self.task.media if role in rows.column_names]:
            files: dict[str, str] = {}
            for place in places:
                row = rows[place_of[int(records["id"][place])]]
                name = store_media_example(row, role, self.task, split, self.folder)
                if name is not None:
                    files[name] = self._caption(row, records, place)
            if files:
                exhibit = Files(self.task.media[role], list(files), list(files.values()))
                self.tracker.show_files(f"{split}/{role}", exhibit, step)

    def _caption(self, row: Mapping[str, Any], records: Columns, place: int) -> str:
        targets = [shorten(row[role], 80) for role in self.task.targets if role in row and role not in self.task.media]
        return f"{', '.join(map(redact_text, targets))} → {self._prediction_and_loss(records, place)[0]}"

    def _prediction_and_loss(self, records: Columns, place: int) -> list[Any]:
        record: Mapping[str, Any] = {name: values[place] for name, values in records.items()}
        loss = None
        if "loss" in records:
            single = {name: np.asarray([record[name]]) for name in ("loss", "targets")}
            loss = float(losses_per_target(single)[0])
        return [redact_text(shorten(self.task.describe(record))), loss]

    @cached_property
    def _place_of(self) -> dict[str, dict[int, int]]:
        """The place of each row, by split and by the row's id."""
        return {
            split: {int(row_id): place for place, row_id in enumerate(rows["id"][:])}
            for split, rows in self.rows.splits.items()
            if split != "train"
        }


def _summarize_lengths(lengths: Any) -> list[int]:
    """Shortest, median, 95th percentile, longest and sum."""
    return [*map(int, np.quantile(lengths, [0, 0.5, 0.95, 1], method="nearest")), int(np.sum(lengths))]


def _bin_edges(lengths: Any) -> Any:
    """Edges of bins that are a whole number of units wide."""
    low, high = int(np.min(lengths)), int(np.max(lengths)) + 1
    width = max(1, -(-(high - low) // _BINS))  # rounded up
    return np.arange(low, high + width, width)
