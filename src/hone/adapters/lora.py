"""Low-rank adapters on the backbone's linear layers, folded into the weights when the training is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from hone.adapters.base import Adapter
from hone.anatomy import Anatomy
from hone.errors import UserError, listed, nearest
from hone.types import Count, PartialShare, Positive


@final
@dataclass(frozen=True)
class Lora(Adapter):
    """`targets` are the last parts of layer names, or all linear layers of the backbone; the head learns whole."""

    rank: Count
    alpha: Positive
    dropout: PartialShare = 0.0
    targets: Literal["all"] | list[str] = "all"

    def adapt(self, network: PreTrainedModel, anatomy: Anatomy) -> Any:
        import peft  # 2 s of imports that no other adapter needs

        layers = [
            name for name, module in network.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and not anatomy.learns_with_head(f"{name}.weight")
        ]  # fmt: skip
        config = peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self._chosen(layers),
            fan_in_fan_out=any(isinstance(module, Conv1D) for module in network.modules()),
        )
        head = [parameter for name, parameter in network.named_parameters() if anatomy.learns_with_head(name)]
        adapted = peft.get_peft_model(network, config)
        for parameter in head:
            parameter.requires_grad_(True)
        return adapted

    def fold(self, network: Any) -> PreTrainedModel:
        folded: PreTrainedModel = network.merge_and_unload()
        return folded

    def _chosen(self, layers: list[str]) -> list[str]:
        if self.targets == "all":
            return layers
        endings = sorted({name.rpartition(".")[2] for name in layers})
        if not self.targets:
            raise UserError(f"adapter.targets=[]: name some layers, or say all. The backbone has {listed(endings)}.")
        for target in self.targets:
            if target not in endings:
                hint = f"{nearest(target, endings)} It has {listed(endings)}."
                raise UserError(f"adapter.targets={target}: no such layer in the backbone.{hint}")
        return [name for name in layers if name.rpartition(".")[2] in self.targets]
