"""What a run works on: rows, the task that reads them, the network that learns from them."""

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
from hone.training.course import Course, Monitor
from hone.training.fast.compiling import compilation_for
from hone.training.fast.packing import Packing, Padded, packing_for
from hone.training.module import Module
from hone.training.optim.optimizers import average_of, schedule
from hone.training.parts import RunParts
from hone.training.prepare import prepare
from hone.training.stage_cache import StageCache
from hone.training.state import TrainState

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Assembled:
    """Everything that is known and loaded before the training."""

    rows: Rows
    task: Task
    data: DataModule
    network: Any
    layer_map: LayerMap
    monitor: Monitor
    packing: Packing

    def origin(self, parts: RunParts) -> dict[str, Any]:
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
            "signatures": signatures_of(self.task),
        }


def assemble(parts: RunParts, settings: TrainSettings, fabric: Fabric, memory: StageCache) -> Assembled:
    """Loads and encodes the rows and builds the network; whatever does not fit is told before weights are loaded."""
    known = prepare(parts, settings, memory)
    task = known.task
    seeds.seed_everything(settings.seed, "weights")
    network, layer_map = build_network(parts.checkpoint, parts.head, parts.adapter, task)
    task.check_network(network)
    if fabric.is_global_zero:
        _report_loading(network)
        _advise(parts, task)
    enable_recomputation(network, settings.gradient_checkpointing)
    read = parts.head.precompute(known.encoded, network, task, fabric.device)
    data = DataModule(
        read, task, parts.batch, settings.batch_size, settings.accumulate, settings.seed,
        fabric.global_rank, fabric.world_size, known.rows.stream,
    )  # fmt: skip
    packing = packing_for(parts.batch.pack, network, layer_map, task, data.specimen(), fabric.device)
    data.in_parts = parts.batch.splits_on(fabric.device.type) and task.independent_rows and isinstance(packing, Padded)
    return Assembled(known.rows, task, data, network, layer_map, known.monitor, packing)


def _report_loading(network: Any) -> None:
    """Prints and logs which weights are new or unused."""
    for line in loading_lines(network):
        log.info(line)
        console.print(line, markup=False)


def _advise(parts: RunParts, task: Task) -> None:
    """Warns of a head that does not suit the checkpoint."""
    hint = parts.head.hint(parts.checkpoint.config({}), task)
    if hint:
        log.warning(hint)


def make_train_state(
    fabric: Fabric, parts: RunParts, material: Assembled, course: Course, compiled: bool
) -> TrainState:
    """Everything that training moves."""
    module = Module(material.network, material.task, material.layer_map, parts.optimizer, parts.scheduler)
    optimizer = module.make_optimizer()
    wrapped, ready = fabric.setup(module, optimizer)
    scheduler = schedule(optimizer, parts.scheduler, course.clock)
    average = average_of(material.network, parts.optimizer.ema)
    compilation = compilation_for(compiled, material.network, material.layer_map, fabric.device)
    return TrainState(module, wrapped, ready, scheduler, average, material.packing, compilation)
