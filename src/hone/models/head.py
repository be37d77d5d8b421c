"""The contract of a head, which makes the whole network from a checkpoint and a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from transformers import PretrainedConfig, PreTrainedModel

from hone.core.task import Task
from hone.data.encoded_rows import EncodedRows
from hone.models.adapters import Adapter
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import complete_config


class Head(ABC):
    """The contract of a config's `head`."""

    precomputes: ClassVar[bool] = False
    """Whether this head freezes the backbone and trains on its features; `precompute` then needs all rows at once."""

    @abstractmethod
    def check(self, config: PretrainedConfig, task: Task, adapter: Adapter) -> None:
        """Raises UserError, before weights are loaded, where this head cannot work."""

    @abstractmethod
    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        """Returns the network: the checkpoint's backbone with this head."""

    def hint(self, config: PretrainedConfig, task: Task) -> str:
        """Returns advice on a choice that works but rarely does well, or nothing."""
        return ""

    def precompute(
        self, encoded: Mapping[str, EncodedRows], network: PreTrainedModel, task: Task, device: torch.device
    ) -> Mapping[str, EncodedRows]:
        """Returns the rows that the training reads: the encoded ones, or features where the backbone is frozen."""
        return encoded


def network_config(checkpoint: Checkpoint, task: Task) -> PretrainedConfig:
    """Returns the checkpoint's config, completed with what the task and its processor require."""
    config = checkpoint.config(dict(task.model_config()))
    complete_config(config, task.processor)
    return config
