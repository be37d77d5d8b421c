"""From a config to all that is known about a run before its weights are loaded. What does not fit is reported."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, final

from hone.config.settings import TrainSettings
from hone.core.errors import RowError, UserError, did_you_mean, join_names, naming_rows
from hone.core.scores import metrics_of
from hone.core.task import Task
from hone.data.encoded import encode
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.rows import Rows, load_rows
from hone.models.layers import LayerMap
from hone.models.network import build_blank_network, enable_recomputation
from hone.training.course import Monitor
from hone.training.parts import RunParts
from hone.training.single_rows import require_no_single_rows
from hone.training.stage_cache import StageCache


@final
@dataclass(frozen=True)
class Prepared:
    """A run before its weights are loaded: `blank` is the network with head and adapter, on the meta device."""

    rows: Rows
    task: Task
    monitor: Monitor
    blank: Any
    layer_map: LayerMap
    encoded: Mapping[str, EncodedRows]


def prepare(parts: RunParts, settings: TrainSettings, cache: StageCache, strict: bool = False) -> Prepared:
    """Load and encode the rows and build the blank network. `strict` also compares the network with the shapes of
    weights on this machine, without loading them."""
    prepared = prepare_without_encoding(parts, settings, cache, strict)
    rows, encoded = cache.cached("encoded", lambda: encode(prepared.rows, prepared.task, parts.dataset))
    if parts.batch.by == "tokens":
        _require_room(encoded["train"], settings.batch_size, prepared.task)
    if "train" in encoded and not parts.head.precomputes:
        require_no_single_rows(encoded["train"], prepared.task, parts.batch, settings, prepared.blank)
    return replace(prepared, rows=rows, encoded=encoded)


def prepare_without_encoding(parts: RunParts, settings: TrainSettings, cache: StageCache, strict: bool) -> Prepared:
    """Do the quick stages alone, for a first look at many jobs."""
    if parts.dataset.streaming:
        _require_all_rows(parts)
    rows = cache.cached("rows", lambda: load_rows(parts.dataset, parts.task, settings.limit))
    if "validation" not in rows.splits:
        raise UserError(f"{parts.dataset.name}: no validation split and dataset.holdout=0, so no model can be chosen.")
    task = cache.cached("task", lambda: _bind_task(parts, rows))
    monitor = find_monitor(settings.monitor, task)
    blank, layer_map = cache.cached("network", lambda: _build_blank(parts, settings, task, strict))
    return Prepared(rows, task, monitor, blank, layer_map, {})


def find_monitor(word: str, task: Task) -> Monitor:
    """Find the metric that chooses the best model: the user's, or the task's own."""
    metrics = metrics_of(task)
    name = task.monitor if word == "auto" else word.removeprefix("validation/")
    metric = metrics.get(name.partition("/")[0])
    if metric is None:
        raise UserError(
            f"monitor={word}: no such metric.{did_you_mean(name, metrics)} The metrics are {join_names(metrics)}."
        )
    return Monitor(name, metric.higher_is_better)


def _bind_task(parts: RunParts, rows: Rows) -> Task:
    processor = parts.checkpoint.make_processor(parts.task.auto_processor, rows.facts)
    with naming_rows(parts.dataset.name):
        task = parts.task.bind(processor, rows.facts)
    with suppress(RowError):  # one row shows whether the options suit the processor; what is wrong with it comes later
        encode_with_media(task, rows.splits["validation"][:1])
    return task


def _build_blank(parts: RunParts, settings: TrainSettings, task: Task, strict: bool) -> tuple[Any, LayerMap]:
    blank, layer_map = build_blank_network(parts.checkpoint, parts.head, parts.adapter, task, strict)
    _check_optimizer(parts, blank, layer_map)
    enable_recomputation(blank, settings.gradient_checkpointing)
    return blank, layer_map


def _check_optimizer(parts: RunParts, blank: Any, layer_map: LayerMap) -> None:
    """Raises UserError where the optimiser cannot train this network."""
    if parts.optimizer.layer_decay != 1.0 and parts.head.precomputes:
        raise UserError(
            "optimizer.layer_decay: this head freezes the backbone, so no layers learn. Set optimizer.layer_decay=1."
        )
    if parts.optimizer.layer_decay != 1.0 and not layer_map.depth:
        raise UserError(
            f"optimizer.layer_decay: no separate layers were found in {type(blank).__name__}. "
            f"Set optimizer.layer_decay=1."
        )
    parts.optimizer.groups(blank.named_parameters(), layer_map)
    parts.optimizer.require_sound(blank)


def _require_all_rows(parts: RunParts) -> None:
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


def _require_room(rows: EncodedRows, batch_size: int, task: Task) -> None:
    longest = int(rows.lengths.max())
    shorten = ", or cut the rows with task.max_length" if hasattr(task, "max_length") else ""
    if longest > batch_size:
        raise UserError(
            f"batch.by=tokens batch_size={batch_size}: the longest training row alone has {longest} {task.unit}. Give "
            f"a larger batch_size, such as {16 * longest}{shorten}."
        )
