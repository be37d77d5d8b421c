"""Forward passes over encoded rows. Where memory runs out they get smaller, and the predictions stay the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from datasets import Dataset
from lightning.fabric import Fabric

from hone.core.metric import Columns
from hone.core.task import Predictive
from hone.data.encoded_rows import EncodedRows
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
        records = self.task.merge(self._run_through(EncodedRows.of(Dataset.from_dict(encoded), None, self.task)))
        for place in sorted(range(len(records["id"])), key=lambda place: int(records["id"][place])):
            record = {name: values[place] for name, values in records.items()}
            yield int(record["id"]), self.task.outcome(record)

    def _run_through(self, rows: EncodedRows) -> Columns:
        """Return what the network says about the rows. The size at which memory suffices is kept for later rows."""
        while True:
            batches = Batches(
                sorted_batches(rows.lengths, self.size), lambda _, places: rows.collate(self.task, places)
            )
            work = partial(run_through, self.fabric, self.network, batches)
            records = memory.attempt(self.fabric, work)
            if records is not None:
                return records
            self.size = memory.halve_prediction_passes(self.size, batches)
