"""What a run works on: rows, the task that reads them, the network that learns from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from datasets import Dataset
from lightning.fabric import Fabric

from hone import seeds
from hone.anatomy import Anatomy
from hone.data.columns import lengths
from hone.data.encoded import encode
from hone.data.module import DataModule
from hone.data.rows import Rows, prepare
from hone.errors import UserError, listed, nearest
from hone.network import build_network, count_parameters, rehearse
from hone.packing.packed import Packing, Padded
from hone.packing.trial import packing_for
from hone.parts import Parts
from hone.recomputing import recompute
from hone.runs.run import Monitor
from hone.scores import metrics_of
from hone.settings.train import Train
from hone.tasks.base import Task


@final
@dataclass(frozen=True)
class Material:
    """Everything that is known and loaded before the training."""

    rows: Rows
    task: Task
    data: DataModule
    network: Any
    anatomy: Anatomy
    monitor: Monitor
    packing: Packing

    def origin(self, parts: Parts) -> dict[str, Any]:
        """What `run.json` says of it."""
        return {
            "data": {
                "name": parts.dataset.name,
                "fingerprint": self.rows.fingerprint(),
                "rows": self.rows.sizes,
            },
            "checkpoint": {"name": parts.checkpoint.name, "fingerprint": parts.checkpoint.fingerprint()},
            "parameters": count_parameters(self.network),
            "lower_is_better": [name for name, metric in metrics_of(self.task).items() if not metric.higher_is_better],
        }


def gather(parts: Parts, settings: Train, fabric: Fabric) -> Material:
    """Loads and encodes the rows and builds the network; whatever does not fit is told before weights are loaded."""
    if parts.dataset.streaming:
        _require_all_rows(parts)
    rows = prepare(parts.dataset, parts.task, settings.limit)
    if "validation" not in rows.splits:
        raise UserError(f"{parts.dataset.name}: no validation split and dataset.holdout=0, so no model can be chosen.")
    processor = parts.checkpoint.processor(parts.task.auto_processor, rows.facts)
    task = parts.task.equip(processor, rows.facts)
    monitor = find_monitor(settings.monitor, task)
    shape = (parts.checkpoint, parts.head, parts.adapter, parts.optimizer, task)
    recompute(rehearse(*shape), settings.gradient_checkpointing)
    rows, encoded = encode(rows, task, parts.dataset)
    if parts.batch.by == "tokens":
        _require_room(encoded["train"], settings.batch_size)
    seeds.seed_everything(settings.seed, "weights")
    network, anatomy = build_network(*shape)
    task.examine(network)
    recompute(network, settings.gradient_checkpointing)
    read = parts.head.precompute(encoded, network, task, fabric.device)
    data = DataModule(
        read, task, parts.batch, settings.batch_size, settings.accumulate, settings.seed,
        fabric.global_rank, fabric.world_size, rows.stream,
    )  # fmt: skip
    packing = packing_for(parts.batch.pack, network, anatomy, task, data.specimen(), fabric.device)
    data.in_parts = parts.batch.split and task.independent_rows and isinstance(packing, Padded)
    return Material(rows, task, data, network, anatomy, monitor, packing)


def _require_all_rows(parts: Parts) -> None:
    """Refuses to stream what must know every row before the first step."""
    if parts.head.precomputes:
        raise UserError(
            "dataset.streaming=true: this head trains on features computed once for all rows, which a stream never "
            "holds. Say dataset.streaming=false, or freeze the backbone by head=linear adapter=frozen."
        )
    if parts.batch.by == "tokens":
        raise UserError(
            "dataset.streaming=true batch.by=tokens: how many steps an epoch has depends on the length of every row, "
            "which a stream does not know in advance. Say batch.by=examples with a batch_size in rows, or "
            "dataset.streaming=false."
        )


def _require_room(rows: Dataset, batch_size: int) -> None:
    longest = int(lengths(rows).max())
    if longest > batch_size:
        raise UserError(
            f"batch.by=tokens batch_size={batch_size}: the longest training row alone has {longest} tokens. Give a "
            f"larger batch_size, such as {16 * longest}, or cut the rows with task.max_length."
        )


def find_monitor(word: str, task: Task) -> Monitor:
    """The metric that the user, or the task, says decides."""
    known = metrics_of(task)
    name = task.monitor if word == "auto" else word.removeprefix("validation/")
    metric = known.get(name.partition("/")[0])
    if metric is None:
        raise UserError(f"monitor={word}: nobody computes that.{nearest(name, known)} There are {listed(known)}.")
    return Monitor(name, metric.higher_is_better)
