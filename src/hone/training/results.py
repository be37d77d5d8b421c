"""What a finished training leaves: scores of the best weights, a record an example, and a plain model folder."""

from __future__ import annotations

import copy
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lightning.fabric import Fabric
from torch import nn

from hone.core.contributions import Contributions, truth_of
from hone.core.scores import baseline_scores, metrics_of
from hone.core.task import Columns, Facts, Task
from hone.core.value_types import Split
from hone.data.module import DataModule
from hone.models.adapters import Adapter
from hone.runs.folder import Folder
from hone.tracking.tracker import Tracker
from hone.training.evaluation import predict
from hone.training.state import TrainState

Scores = dict[str, float]


def score_and_save(
    fabric: Fabric,
    module: Any,
    data: DataModule,
    folder: Folder,
    splits: Sequence[Split],
    known: Mapping[str, Columns],
    examined: Callable[[str, Columns], None],
) -> tuple[Scores, Scores]:
    """The scores of the splits, and those of a model that never looks; everything is stored. What the best weights say
    may be `known` since their evaluation."""
    scores: Scores = {}
    baseline: Scores = {}
    for split in splits:
        if split in data.splits:
            records = known.get(split) or predict(fabric, module, data, split)
            contributions = Contributions.of(metrics_of(data.task), records)
            scores |= {f"{split}/{name}": value for name, value in contributions.scores().items()}
            baseline |= {f"{split}/{name}": value for name, value in baseline_scores(data.task, records).items()}
            if fabric.is_global_zero:
                save_split(folder, split, data.task, contributions)
            if split != "validation":  # the evaluations have shown it
                examined(split, records)
    if fabric.is_global_zero:
        save_model(module.network, data.task.processor, data.task.facts, folder.model)
    fabric.barrier()
    return scores, baseline


def save_split(folder: Folder, split: str, task: Task, contributions: Contributions) -> None:
    """The records, and what each adds to the metrics."""
    save_records(contributions.records, folder.predictions / f"{split}.parquet")
    roles = tuple(sorted({*task.targets, "label", "answers", "target"}))
    contributions.save(
        folder.contributions / f"{split}.parquet", truth_of(contributions.records, roles, task.facts.labels)
    )


def save_records(records: Columns, path: Path) -> None:
    """A row an example, in the order of the split."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f".{path.name}")
    pq.write_table(pa.table({name: _column(values) for name, values in records.items()}), draft)
    draft.replace(path)


def save_model(network: Any, processor: Any, facts: Facts, folder: Path) -> None:
    """A folder that plain transformers loads; it appears whole or not at all."""
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    network.eval().to("cpu").save_pretrained(draft)
    processor.save_pretrained(draft)
    facts.save(draft / "facts.json")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _column(values: Any) -> Any:
    return list(values) if isinstance(values, np.ndarray) and values.ndim > 1 else values


def flat(scores: Mapping[str, float], split: str) -> Scores:
    """The scores of one split under their bare names."""
    return {name.removeprefix(f"{split}/"): value for name, value in scores.items() if name.startswith(f"{split}/")}


class Candidates(ABC):
    """What becomes of a best model while the training goes on."""

    @abstractmethod
    def offer(self, step: int, train_state: TrainState) -> None:
        """The network has, at this moment, the weights of the best evaluation so far."""


@final
class NoCandidates(Candidates):
    """The best of all is stored at the end."""

    def offer(self, step: int, train_state: TrainState) -> None: ...


@final
class KeptCandidates(Candidates):
    """A copy is taken at once; writing it as a model folder and sending that is the tracker's, in its own time."""

    def __init__(self, tracker: Tracker, folder: Folder, adapter: Adapter) -> None:
        self.tracker, self.folder, self.adapter = tracker, folder, adapter

    def offer(self, step: int, train_state: TrainState) -> None:
        task, network, place = train_state.module.task, _copied(train_state.module.network), self.folder.candidate(step)
        save = partial(self._save, network, task.processor, task.facts)
        self.tracker.candidate(self.folder, place, save)

    def _save(self, network: Any, processor: Any, facts: Any, place: Folder) -> None:
        place.path.mkdir(parents=True, exist_ok=True)
        save_model(self.adapter.fold(network), processor, facts, place.model)


def _copied(network: nn.Module) -> Any:
    """In the machine's own memory, whatever device it is on; ties between weights are kept."""
    known: dict[int, Any] = {}
    for weight in network.parameters():
        known[id(weight)] = nn.Parameter(weight.detach().to("cpu", copy=True), weight.requires_grad)
    for buffer in network.buffers():
        known[id(buffer)] = buffer.detach().to("cpu", copy=True)
    taken = copy.deepcopy(network, known)
    for module in taken.modules():
        vars(module).pop("forward", None)  # a compiled one
    return taken
