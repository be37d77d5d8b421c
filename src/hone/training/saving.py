"""How results are stored: records and contributions of a split, and the model as a plain folder."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import nn

from hone.core.contributions import Contributions, truth_of
from hone.core.files import drafted, drafted_folder, make_folder, storing
from hone.core.task import Columns, Facts, Task
from hone.models.adapters import Adapter
from hone.runs.folder import Folder
from hone.runs.manifest import files_in, write_manifest
from hone.tracking.tracker import Tracker
from hone.training.state import TrainState


def save_split(folder: Folder, split: str, task: Task, contributions: Contributions) -> tuple[Path, Path]:
    """Store the records, and what each contributes to the metrics. Return the two files."""
    files = folder.predictions / f"{split}.parquet", folder.contributions / f"{split}.parquet"
    save_records(contributions.records, files[0])
    roles = tuple(sorted({*task.targets, "label", "answers", "target"}))
    contributions.save(files[1], truth_of(contributions.records, roles, task.facts.labels))
    return files


def save_records(records: Columns, path: Path) -> None:
    """Write one row per example, in the order of the split."""
    table = pa.table({name: _column(values) for name, values in records.items()})
    with storing(path):
        make_folder(path.parent)
    with drafted(path) as draft, draft.open("wb") as file:  # pyarrow's own file does not say why it cannot be closed
        pq.write_table(table, file)


def save_model(network: Any, processor: Any, facts: Facts, folder: Path) -> None:
    """Write a folder that plain transformers loads. It appears whole or not at all."""
    network.eval().to("cpu")
    with drafted_folder(folder) as draft:
        network.save_pretrained(draft)
        processor.save_pretrained(draft)
        facts.save(draft / "facts.json")


def _column(values: Any) -> Any:
    return list(values) if isinstance(values, np.ndarray) and values.ndim > 1 else values


@final
class BestModels:
    """Each best model so far, for a tracker that keeps them all.

    The copy is taken at once. The tracker writes and sends it in its own time."""

    def __init__(self, tracker: Tracker, folder: Folder, adapter: Adapter) -> None:
        self.tracker, self.folder, self.adapter = tracker, folder, adapter

    def offer(self, step: int, train_state: TrainState) -> None:
        task, network, place = train_state.module.task, _copied(train_state.module.network), self.folder.candidate(step)
        save = partial(self._save, network, task.processor, task.facts)
        self.tracker.candidate(self.folder, place, save)

    def _save(self, network: Any, processor: Any, facts: Any, place: Folder) -> None:
        place.path.mkdir(parents=True, exist_ok=True)
        save_model(self.adapter.fold(network), processor, facts, place.model)
        about = {file.name: file for file in (self.folder.config, self.folder.facts)}
        write_manifest(place.manifest, {**files_in(place.path, "model"), **about})


def _copied(network: nn.Module) -> Any:
    """Copy a network to the CPU, whatever device it is on. Tied weights stay tied."""
    copies: dict[int, Any] = {}
    for weight in network.parameters():
        copies[id(weight)] = nn.Parameter(weight.detach().to("cpu", copy=True), weight.requires_grad)
    for buffer in network.buffers():
        copies[id(buffer)] = buffer.detach().to("cpu", copy=True)
    taken = copy.deepcopy(network, copies)
    for module in taken.modules():
        vars(module).pop("forward", None)  # that of a compiled layer
    return taken
