"""What a finished training leaves: scores of the best weights, a record an example, and a plain model folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lightning.fabric import Fabric

from hone.core.contributions import Additions, truth_of
from hone.core.scores import baseline_scores, metrics_of
from hone.core.task import Columns, Facts, Task
from hone.core.value_types import Split
from hone.data.module import DataModule
from hone.evaluation import predict
from hone.runs.folder import Folder

Scores = dict[str, float]


def conclude(
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
            additions = Additions.of(metrics_of(data.task), records)
            scores |= {f"{split}/{name}": value for name, value in additions.scores().items()}
            baseline |= {f"{split}/{name}": value for name, value in baseline_scores(data.task, records).items()}
            if fabric.is_global_zero:
                save_split(folder, split, data.task, additions)
            if split != "validation":  # the evaluations have shown it
                examined(split, records)
    if fabric.is_global_zero:
        save_model(module.network, data.task.processor, data.task.facts, folder.model)
    fabric.barrier()
    return scores, baseline


def save_split(folder: Folder, split: str, task: Task, additions: Additions) -> None:
    """The records, and what each adds to the metrics."""
    save_records(additions.records, folder.predictions / f"{split}.parquet")
    roles = tuple(sorted({*task.targets, "label", "answers", "target"}))
    additions.save(folder.additions / f"{split}.parquet", truth_of(additions.records, roles, task.facts.labels))


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
