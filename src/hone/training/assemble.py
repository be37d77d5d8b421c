"""From a prepared run to one that can train: weights, batches, optimiser and schedule, on the device."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, final

from lightning.fabric import Fabric

from hone.config.settings import TrainSettings
from hone.core import seeds
from hone.core.progress_bar import console
from hone.core.scores import metrics_of, signatures_of
from hone.core.task import Task
from hone.data.module import DataModule
from hone.data.rows import Rows
from hone.models.layers import LayerMap
from hone.models.loading import loading_lines
from hone.models.network import build_network, count_parameters, enable_recomputation
from hone.models.row_dependence import why_never_divided
from hone.training.course import Course, Monitor
from hone.training.fast.compiling import compilation_for
from hone.training.fast.packing import Packing, Padded, packing_for
from hone.training.module import Module
from hone.training.optim.optimizers import average_of, schedule
from hone.training.parts import RunParts
from hone.training.prepare import Prepared
from hone.training.state import TrainState

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Assembled:
    """A run that is ready to train."""

    rows: Rows
    task: Task
    data: DataModule
    network: Any
    monitor: Monitor
    course: Course
    state: TrainState

    def origin(self, parts: RunParts) -> dict[str, Any]:
        """Describe data, checkpoint and metrics for `run.json`."""
        metrics = metrics_of(self.task)
        return {
            "data": {
                "name": parts.dataset.name,
                "fingerprint": self.rows.fingerprint(),
                "rows": self.rows.sizes,
            },
            "checkpoint": {"name": parts.checkpoint.name, "fingerprint": parts.checkpoint.fingerprint()},
            "parameters": count_parameters(self.network),
            "lower_is_better": [name for name, metric in metrics.items() if not metric.higher_is_better],
            "signatures": signatures_of(self.task),
        }


def assemble(parts: RunParts, settings: TrainSettings, fabric: Fabric, prepared: Prepared) -> Assembled:
    """Load the weights of a prepared run, and build everything that training needs."""
    task = prepared.task
    seeds.seed_everything(settings.seed, "weights")
    network, layer_map = build_network(parts.checkpoint, parts.head, parts.adapter, task)
    task.check_network(network)
    if fabric.is_global_zero:
        _report_loading(network)
        _warn_about_head(parts, task)
    enable_recomputation(network, settings.gradient_checkpointing)
    data = _make_data(fabric, parts, settings, prepared, network)
    packing = packing_for(parts.batch.pack, network, layer_map, task, data.sample_batch(), fabric.device)
    data.never_divided = why_never_divided(network, task, parts.head)
    if data.never_divided:
        log.info("training batches are never computed in parts: %s", data.never_divided)
    data.splits_batches = (
        parts.batch.splits_on(fabric.device.type) and not data.never_divided and isinstance(packing, Padded)
    )
    course = Course.of(settings, data.feed.steps_per_epoch, prepared.rows.sizes["train"])
    state = make_train_state(fabric, parts, network, task, layer_map, packing, course, settings.compile)
    data.workers = settings.workers
    data.halvings, data.left_out = state.halvings, state.left_out
    return Assembled(prepared.rows, task, data, network, prepared.monitor, course, state)


def make_train_state(
    fabric: Fabric,
    parts: RunParts,
    network: Any,
    task: Task,
    layer_map: LayerMap,
    packing: Packing,
    course: Course,
    compiled: bool,
) -> TrainState:
    """Build everything that an optimiser step changes, and what it may use to be faster."""
    module = Module(network, task, layer_map, parts.optimizer, parts.scheduler)
    optimizer = module.make_optimizer()
    wrapped, ready = fabric.setup(module, optimizer)
    scheduler = schedule(optimizer, parts.scheduler, course.clock)
    average = average_of(network, parts.optimizer.ema)
    compilation = compilation_for(compiled, network, layer_map, fabric.device)
    return TrainState(module, wrapped, ready, scheduler, average, packing, compilation)


def _make_data(
    fabric: Fabric, parts: RunParts, settings: TrainSettings, prepared: Prepared, network: Any
) -> DataModule:
    encoded = parts.head.precompute(prepared.encoded, network, prepared.task, fabric.device)
    return DataModule(
        encoded, prepared.task, parts.batch, settings.batch_size, settings.accumulate, settings.seed,
        fabric.global_rank, fabric.world_size, prepared.rows.stream, parts.dataset.on_bad_row == "skip",
    )  # fmt: skip


def _report_loading(network: Any) -> None:
    """Print and log which weights are new or unused."""
    for line in loading_lines(network):
        log.info(line)
        console.print(line)


def _warn_about_head(parts: RunParts, task: Task) -> None:
    hint = parts.head.hint(parts.checkpoint.config({}), task)
    if hint:
        log.warning(hint)
