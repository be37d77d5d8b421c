"""What Fabric is told to use.

Its precisions, but what a batch holds beside the network's inputs keeps its digits, for labels may be numbers. And
whose processes these are: ours or torchrun's, never those of a scheduler that this one job happens to run under.
"""

from __future__ import annotations

from typing import Any, final

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.plugins.precision import HalfPrecision, MixedPrecision, Precision

from hone.core.hardware import device_of
from hone.core.value_types import Accelerator, ExactPrecision


@final
class Mixed(MixedPrecision):
    """Autocast itself casts what the layers read."""

    def convert_input(self, data: Any) -> Any:
        return data


@final
class Half(HalfPrecision):
    """The weights are bf16, so the inputs must be too."""

    def convert_input(self, data: Any) -> Any:
        positional, named = data
        return tuple(self._cast(part) for part in positional), named

    def _cast(self, part: Any) -> Any:
        return part | {"inputs": super().convert_input(part["inputs"])} if isinstance(part, dict) else part


def plugins(precision: ExactPrecision, accelerator: Accelerator) -> dict[str, Any]:
    """What to tell Fabric."""
    chosen: Precision
    environment = TorchElasticEnvironment() if TorchElasticEnvironment.detect() else LightningEnvironment()
    if precision == "bf16-true":
        chosen = Half(precision)
    elif precision in ("bf16-mixed", "16-mixed"):
        chosen = Mixed(precision, device_of(accelerator))
    else:
        return {"precision": precision, "plugins": [environment]}
    return {"plugins": [environment, chosen]}
