"""The contract of an adapter: it decides which weights of a network learn, and can be folded in afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from transformers import PreTrainedModel

from hone.anatomy import Anatomy


class Adapter(ABC):
    """A config's `adapter`."""

    @abstractmethod
    def adapt(self, network: PreTrainedModel, anatomy: Anatomy) -> Any:
        """The network with the weights that shall learn requiring gradients, perhaps wrapped."""

    def fold(self, network: Any) -> PreTrainedModel:
        """The trained network as a plain transformers model."""
        plain: PreTrainedModel = network
        return plain
