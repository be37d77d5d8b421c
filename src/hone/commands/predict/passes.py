"""Forward passes over encoded rows. Where memory runs out they get smaller, and the predictions stay the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from datasets import Dataset
from lightning.fabric import Fabric

from hone.core import seeds
from hone.core.columns import read_columns, row_lengths
from hone.core.metric import Columns
from hone.core.task import Predictive
from hone.data.module import Batches
from hone.data.plan import sorted_batches
from hone.training import memory
from hone.training.evaluation import run_through


@final
@dataclass
class Passes:
    """Predicts for a task, on a device."""

    fabric: Fabric
    network: Any
    task: Predictive
    size: int
    """The most rows of a pass."""

    def predict(self, encoded: Columns) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the number of each row and its prediction, in the order of the rows."""
        records = self.task.merge(self._run_through(Dataset.from_dict(encoded).with_format("arrow")))
        for place in sorted(range(len(records["id"])), key=lambda place: int(records["id"][place])):
            record = {name: values[place] for name, values in records.items()}
            yield int(record["id"]), self.task.outcome(record)

    def _run_through(self, rows: Dataset) -> Columns:
        """Return what the network says about the rows. The size at which memory suffices is kept for later rows."""
        while True:
            batches = self._batches(rows)
            records = memory.attempt(self.fabric, lambda: run_through(self.fabric, self.network, batches))  # noqa: B023 (called at once)
            if records is not None:
                return records
            self.size = memory.halve_prediction_passes(self.size, batches)

    def _batches(self, rows: Dataset) -> Batches:
        plan = sorted_batches(row_lengths(rows), self.size)
        return Batches(
            plan, lambda _, places: self.task.collate(read_columns(rows, places), seeds.stream(0, "collate"))
        )
