"""The contract of a checkpoint: a config, a processor, and a network that fits both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel

from hone.core.task import Facts
from hone.models.loading import Loading


class Checkpoint(ABC):
    """The contract of a config's `checkpoint`. `auto_class` is always the name of one of transformers' Auto classes."""

    lr: float
    """A learning rate that suits full fine-tuning: the optimiser's default."""
    trust_remote_code: bool = False
    """Whether code that comes with the checkpoint may run."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The checkpoint's name in tables and on model cards."""

    @abstractmethod
    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        """Returns its config with the user's hyperparameters and these changes; no weights are loaded."""

    @abstractmethod
    def make_processor(self, auto_class: str, facts: Facts) -> Any:
        """Returns the processor of this Auto class, which turns raw inputs into the network's inputs.

        Facts of the kind `characters` are the vocabulary that an AutoProcessor spells with.
        """

    @abstractmethod
    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        """Returns the network with its weights, in training mode."""

    def require_fitting(self, auto_class: str, config: PretrainedConfig) -> Loading | None:
        """Raises UserError where weights on this machine do not fit this network; loads none of them."""
        return None

    def at_hand(self) -> bool:
        """Returns whether the weights are on this machine or are made here."""
        return True

    @abstractmethod
    def fingerprint(self) -> str:
        """Returns a text that identifies the weights: other weights have another one."""
