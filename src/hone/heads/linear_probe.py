"""A linear layer on features of a frozen backbone, which reads every row once and never again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from datasets import Dataset
from transformers import PretrainedConfig, PreTrainedModel

from hone.adapters.base import Adapter
from hone.adapters.none import NoAdapter
from hone.checkpoints.base import Checkpoint
from hone.errors import UserError
from hone.heads.base import Head
from hone.heads.features import featurise
from hone.heads.pooled import attach_pooled, refuse_pooling
from hone.optim import Optimizer
from hone.tasks.base import Task
from hone.types import FixedPooling, PartialShare


@final
@dataclass(frozen=True)
class LinearProbe(Head):
    """Pooling with weights of its own would have to learn, so `attention` is not offered."""

    pooling: FixedPooling
    dropout: PartialShare = 0.0

    precomputes: ClassVar[bool] = True

    def refuse(self, config: PretrainedConfig, task: Task, adapter: Adapter, optimizer: Optimizer) -> None:
        refuse_pooling(config, task, self.pooling)
        if not isinstance(adapter, NoAdapter):
            raise UserError("head=linear_probe freezes the backbone: there is nothing for an adapter to adapt.")
        if optimizer.layer_decay != 1.0:
            raise UserError("head=linear_probe freezes the backbone, so optimizer.layer_decay has no layers to act on.")

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        network = attach_pooled(checkpoint, config, task, pooling=self.pooling, dropout=self.dropout)
        network.base_model.requires_grad_(False)
        return network

    def precompute(self, encoded: Mapping[str, Dataset], network: PreTrainedModel, task: Task) -> Mapping[str, Dataset]:
        return {split: featurise(rows, network, task) for split, rows in encoded.items()}
