"""Which weights of a network are trained: all of them, the head, the last layers, or low-rank updates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, final

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.value_types import Count, PartialShare, Positive
from hone.models.layers import LayerMap


class Adapter(ABC):
    """The contract of a config's `adapter`."""

    @abstractmethod
    def adapt(self, network: PreTrainedModel, layer_map: LayerMap) -> Any:
        """Returns the network, perhaps wrapped; only the trainable weights require gradients."""

    def fold(self, network: Any) -> PreTrainedModel:
        """Returns the trained network as a plain transformers model."""
        plain: PreTrainedModel = network
        return plain


@final
@dataclass(frozen=True)
class NoAdapter(Adapter):
    """Full fine-tuning leaves the network as its head made it."""

    def adapt(self, network: PreTrainedModel, layer_map: LayerMap) -> PreTrainedModel:
        return network


@final
@dataclass(frozen=True)
class Frozen(Adapter):
    """Only the head is trained. The backbone's dropout stays on, unlike with a linear probe; the statistics of its
    BatchNorm layers do not change."""

    def adapt(self, network: PreTrainedModel, layer_map: LayerMap) -> PreTrainedModel:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(layer_map.trains_with_head(name))
        return network


@final
@dataclass(frozen=True)
class TopLayers(Adapter):
    """The head and the last `count` layers are trained; the embeddings and all lower layers are frozen."""

    count: Count

    def adapt(self, network: PreTrainedModel, layer_map: LayerMap) -> PreTrainedModel:
        layer_map.require_layers(self.count, "adapter.count")
        for name, parameter in network.named_parameters():
            if layer_map.level(name) <= layer_map.depth - self.count:
                parameter.requires_grad_(False)
        return network


@final
@dataclass(frozen=True)
class Lora(Adapter):
    """Low-rank updates of the backbone's linear layers are trained, and so is the whole head.

    `targets` are the last parts of layer names, or "all" for every linear layer of the backbone. After the training,
    the updates are merged into the weights.
    """

    rank: Count
    alpha: Positive
    dropout: PartialShare = 0.0
    targets: Literal["all"] | list[str] = "all"

    def adapt(self, network: PreTrainedModel, layer_map: LayerMap) -> Any:
        import peft  # the import takes 2 s, and no other adapter needs it

        layers = [
            name for name, module in network.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and not layer_map.trains_with_head(f"{name}.weight")
            and not isinstance(module, NonDynamicallyQuantizableLinear)  # nn.MultiheadAttention reads its weight itself
        ]  # fmt: skip
        if not layers:
            raise UserError(
                f"adapter=lora: the backbone of this {network.config.model_type} has no linear layers, only "
                f"convolutions, which hone's LoRA does not update. Use adapter=top_layers or adapter=none."
            )
        config = peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self._choose_layers(layers),
            fan_in_fan_out=any(isinstance(module, Conv1D) for module in network.modules()),
        )
        head = [parameter for name, parameter in network.named_parameters() if layer_map.trains_with_head(name)]
        adapted = peft.get_peft_model(network, config)
        for parameter in head:
            parameter.requires_grad_(True)
        return adapted

    def fold(self, network: Any) -> PreTrainedModel:
        folded: PreTrainedModel = network.merge_and_unload()
        return folded

    def _choose_layers(self, layers: list[str]) -> list[str]:
        if self.targets == "all":
            return layers
        endings = sorted({name.rpartition(".")[2] for name in layers})
        if not self.targets:
            raise UserError(
                f"adapter.targets=[]: name some layers, or set it to all. Available: {join_names(endings)}."
            )
        for target in self.targets:
            if target not in endings:
                hint = f"{did_you_mean(target, endings)} Available: {join_names(endings)}."
                raise UserError(f"adapter.targets={target}: no such layer in the backbone.{hint}")
        return [name for name in layers if name.rpartition(".")[2] in self.targets]
