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
from torch import Tensor

from hone.config.settings import TrainSettings
from hone.core.hardware import device_of, require_devices
from hone.core.process import keep_memory
from hone.core.value_types import Accelerator, ExactPrecision, Precision
from hone.runs.folder import Folder
from hone.runs.record import Record

log = logging.getLogger(__name__)

_FP16_FROM = (7, 0)
"""The compute capability from which GPUs are faster in fp16. Most older ones are far slower."""
_TF32_FROM = (8, 0)
"""The compute capability from which GPUs multiply fp32 matrices in TF32, many times faster."""
_NATIVE_BF16 = ("amx_bf16", "avx512_bf16", "bf16")
"""The names of bf16 instructions on CPUs. Without them bf16 is emulated, and slower than fp32."""


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


def resolve_precision(
    asked: Precision, accelerator: Accelerator, before: ExactPrecision | None = None
) -> ExactPrecision:
    """Return the precision of a run. A resumed one keeps what `auto` chose `before`."""
    best = _best(accelerator)
    if asked == "auto":
        return before or best
    if asked.startswith("bf16") and not best.startswith("bf16"):
        log.warning("precision=%s: this hardware only emulates bf16, which is slow; %s would be faster.", asked, best)
    return asked


def warn_about_precision(precision: ExactPrecision, rounds_at_random: bool) -> None:
    """Warn if weights are kept in bf16 and the optimiser does not round stochastically, or the other way round."""
    if precision == "bf16-true" and not rounds_at_random:
        log.warning(
            "precision=bf16-true: weights kept in bf16 lose every update below about 1/256 of their size; "
            "optimizer=adamw_bf16 rounds stochastically, so that small updates arrive on average."
        )
    if precision != "bf16-true" and rounds_at_random:
        log.warning(
            "optimizer=adamw_bf16: with precision=%s the weights are not bf16 and nothing is rounded, so this is "
            "a slower optimizer=adamw. It is made for precision=bf16-true.", precision,
        )  # fmt: skip


def set_matmul_precision(device: torch.device, precision: ExactPrecision) -> None:
    """Multiply fp32 matrices, which mixed precision has too, in TF32 if the GPU can. Set again for each run."""
    capable = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TF32_FROM
    tf32 = capable and (precision == "32-true" or precision.endswith("-mixed"))
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    if tf32:
        log.info("products of fp32 matrices are computed in TF32")


def _best(accelerator: Accelerator) -> ExactPrecision:
    if accelerator in ("auto", "cuda") and torch.cuda.is_available():
        return _best_of_gpus()
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return "32-true"
    capabilities = torch.cpu.get_capabilities()
    return "bf16-mixed" if any(capabilities.get(name) for name in _NATIVE_BF16) else "32-true"


def _best_of_gpus() -> ExactPrecision:
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16-mixed"
    return "16-mixed" if torch.cuda.get_device_capability() >= _FP16_FROM else "32-true"


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
    settings: TrainSettings, resumed: Folder | None, rounds_at_random: bool
) -> tuple[Fabric, ExactPrecision]:
    """Launch Fabric for a run. A resumed run keeps the precision that it began with."""
    before = Record.load(resumed.record)["precision"] if resumed else None
    precision = resolve_precision(settings.precision, settings.accelerator, before)
    warn_about_precision(precision, rounds_at_random)
    return make_fabric(settings.accelerator, precision, settings.devices), precision


def sum_over_processes(fabric: Fabric, values: Tensor) -> list[float]:
    """Sum over all processes."""
    if fabric.world_size > 1:
        values = cast(Tensor, fabric.all_reduce(values.to(fabric.device), reduce_op="sum"))
    return [float(value) for value in values]
