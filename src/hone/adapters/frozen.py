"""The head alone learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from transformers import PreTrainedModel

from hone.adapters.base import Adapter
from hone.anatomy import Anatomy


@final
@dataclass(frozen=True)
class Frozen(Adapter):
    """Keeps the backbone as it is; its dropout stays on, unlike under a linear probe."""

    def adapt(self, network: PreTrainedModel, anatomy: Anatomy) -> PreTrainedModel:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(anatomy.learns_with_head(name))
        return network
