"""The contract of a head: from a checkpoint and a task to the whole network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from datasets import Dataset
from transformers import PretrainedConfig, PreTrainedModel

from hone.adapters.base import Adapter
from hone.checkpoints.base import Checkpoint
from hone.checkpoints.fitting import complete
from hone.optim import Optimizer
from hone.tasks.base import Task


class Head(ABC):
    """A config's `head`."""

    precomputes: ClassVar[bool] = False
    """Whether `precompute` does anything, for which it needs all rows at once."""

    @abstractmethod
    def refuse(self, config: PretrainedConfig, task: Task, adapter: Adapter, optimizer: Optimizer) -> None:
        """Raises UserError where this head makes no sense, before weights are loaded."""

    @abstractmethod
    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        """The network: the checkpoint's backbone under this head."""

    def precompute(
        self, encoded: Mapping[str, Dataset], network: PreTrainedModel, task: Task, device: torch.device
    ) -> Mapping[str, Dataset]:
        """What the training reads instead of the encoded rows, where part of the network never changes."""
        return encoded


def network_config(checkpoint: Checkpoint, task: Task) -> PretrainedConfig:
    """The checkpoint's config with what the task and its processor ask of it."""
    config = checkpoint.config(dict(task.model_config()))
    complete(config, task.processor)
    return config
