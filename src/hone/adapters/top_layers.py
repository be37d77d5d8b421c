"""The head and the last layers learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from transformers import PreTrainedModel

from hone.adapters.base import Adapter
from hone.anatomy import Anatomy
from hone.types import Count


@final
@dataclass(frozen=True)
class TopLayers(Adapter):
    """Freezes the embeddings and all but the last `count` layers."""

    count: Count

    def adapt(self, network: PreTrainedModel, anatomy: Anatomy) -> PreTrainedModel:
        anatomy.require_layers(self.count, "adapter.count")
        for name, parameter in network.named_parameters():
            if anatomy.level(name) <= anatomy.depth - self.count:
                parameter.requires_grad_(False)
        return network
