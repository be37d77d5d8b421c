"""Lightning Fabric set up from the settings: devices, precision, and sums over processes."""

from __future__ import annotations

import logging
from typing import Any, cast, final

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.plugins.precision import HalfPrecision, MixedPrecision
from lightning.fabric.plugins.precision import Precision as PrecisionPlugin
from torch import Tensor, nn

from hone.config.settings import TrainSettings
from hone.core.hardware import device_of, require_devices
from hone.core.process import keep_memory
from hone.core.value_types import Accelerator, ExactPrecision
from hone.runs.folder import Folder
from hone.runs.record import Record
from hone.training.precision import resolve_precision, warn_about_precision

log = logging.getLogger(__name__)

_TF32_FROM = (8, 0)
"""The compute capability from which GPUs multiply fp32 matrices in TF32, many times faster."""


@final
class Mixed(MixedPrecision):
    """Mixed precision that leaves inputs alone: autocast casts what the layers read."""

    def convert_input(self, data: Any) -> Any:
        return data


@final
class Half(HalfPrecision):
    """Precision with weights in bf16, so the inputs are cast too."""

    def convert_input(self, data: Any) -> Any:
        positional, named = data
        return tuple(self._cast(part) for part in positional), named

    def _cast(self, part: Any) -> Any:
        return part | {"inputs": super().convert_input(part["inputs"])} if isinstance(part, dict) else part


def precision_plugins(precision: ExactPrecision, accelerator: Accelerator) -> dict[str, Any]:
    """Return the arguments of Fabric for a precision."""
    chosen: PrecisionPlugin
    environment = TorchElasticEnvironment() if TorchElasticEnvironment.detect() else LightningEnvironment()
    if precision == "bf16-true":
        chosen = Half(precision)
    elif precision in ("bf16-mixed", "16-mixed"):
        chosen = Mixed(precision, device_of(accelerator))
    else:
        return {"precision": precision, "plugins": [environment]}
    return {"plugins": [environment, chosen]}


def set_matmul_precision(device: torch.device, precision: ExactPrecision) -> None:
    """Multiply fp32 matrices, which mixed precision has too, in TF32 if the GPU can. Set again for each run."""
    capable = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TF32_FROM
    tf32 = capable and (precision == "32-true" or precision.endswith("-mixed"))
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    if tf32:
        log.info("products of fp32 matrices are computed in TF32")


def make_fabric(accelerator: Accelerator, precision: ExactPrecision, devices: int = 1) -> Fabric:
    """Launch Fabric on the requested devices, which must exist."""
    require_devices(accelerator, devices)
    keep_memory()
    strategy = "ddp" if devices > 1 else "auto"
    fabric = Fabric(
        accelerator=accelerator, devices=devices, strategy=strategy, **precision_plugins(precision, accelerator)
    )
    fabric.launch()
    set_matmul_precision(fabric.device, precision)
    return fabric


def open_fabric(
    settings: TrainSettings, resumed: Folder | None, rounds_at_random: bool, network: nn.Module
) -> tuple[Fabric, ExactPrecision]:
    """Launch Fabric for a run. A resumed run keeps the precision that it began with."""
    before = Record.load(resumed.record)["precision"] if resumed else None
    precision = resolve_precision(settings.precision, settings.accelerator, network, before)
    warn_about_precision(precision, rounds_at_random)
    return make_fabric(settings.accelerator, precision, settings.devices), precision


def sum_over_processes(fabric: Fabric, values: Tensor) -> list[float]:
    """Sum over all processes."""
    if fabric.world_size > 1:
        values = cast(Tensor, fabric.all_reduce(values.to(fabric.device), reduce_op="sum"))
    return [float(value) for value in values]
