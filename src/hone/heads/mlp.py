"""A small perceptron on the pooled states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2CLS

from hone.adapters.base import Adapter
from hone.checkpoints.base import Checkpoint
from hone.errors import UserError, nearest
from hone.heads.base import Head
from hone.heads.pooled import attach_pooled, refuse_pooling
from hone.optim import Optimizer
from hone.tasks.base import Task
from hone.types import Count, PartialShare, Pooling


@final
@dataclass(frozen=True)
class MLP(Head):
    """`layers` hidden layers of `hidden` units (null: as wide as the backbone)."""

    pooling: Pooling
    hidden: Count | None = None
    layers: Count = 1
    activation: str = "gelu"
    dropout: PartialShare = 0.1

    def refuse(self, config: PretrainedConfig, task: Task, adapter: Adapter, optimizer: Optimizer) -> None:
        refuse_pooling(config, task, self.pooling)
        if self.activation not in ACT2CLS:
            raise UserError(
                f"head.activation={self.activation}: no such activation.{nearest(self.activation, ACT2CLS)}"
            )

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        hidden = [self.hidden or config.hidden_size] * self.layers
        return attach_pooled(
            checkpoint, config, task,
            pooling=self.pooling, hidden=hidden, activation=self.activation, dropout=self.dropout,
        )  # fmt: skip
