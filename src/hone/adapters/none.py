"""Full fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from transformers import PreTrainedModel

from hone.adapters.base import Adapter
from hone.anatomy import Anatomy


@final
@dataclass(frozen=True)
class NoAdapter(Adapter):
    """Leaves the network as its head made it."""

    def adapt(self, network: PreTrainedModel, anatomy: Anatomy) -> PreTrainedModel:
        return network
