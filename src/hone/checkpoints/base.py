"""The contract of a checkpoint: a config, a processor, and the network those two fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel

from hone.facts import Facts


class Checkpoint(ABC):
    """A config's `checkpoint`. `auto_class` is always the name of one of transformers' Auto classes."""

    lr: float
    """A learning rate that suits full fine-tuning of it: the optimiser's default."""
    trust_remote_code: bool = False
    """Whether code that comes with it may run."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How it is called in tables and on model cards."""

    @abstractmethod
    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        """Its config with the user's hyperparameters and these changes; weights are not touched."""

    @abstractmethod
    def processor(self, auto_class: str, facts: Facts) -> Any:
        """What turns raw inputs into the network's."""

    @abstractmethod
    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        """The network with its weights, in training mode."""

    def require_fitting(self, auto_class: str, config: PretrainedConfig) -> None:
        """Raises UserError where the weights, if they are at hand, are none for this network; loads none of them."""
        return

    def at_hand(self) -> bool:
        """Whether the weights are on this machine, or need not come from anywhere."""
        return True

    @abstractmethod
    def fingerprint(self) -> str:
        """What tells these weights from others."""
