"""One linear layer on the pooled states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from transformers import PretrainedConfig, PreTrainedModel

from hone.adapters.base import Adapter
from hone.checkpoints.base import Checkpoint
from hone.heads.base import Head
from hone.heads.pooled import attach_pooled, refuse_pooling
from hone.optim import Optimizer
from hone.tasks.base import Task
from hone.types import PartialShare, Pooling


@final
@dataclass(frozen=True)
class Linear(Head):
    """Dropout and a linear layer."""

    pooling: Pooling
    dropout: PartialShare = 0.1

    def refuse(self, config: PretrainedConfig, task: Task, adapter: Adapter, optimizer: Optimizer) -> None:
        refuse_pooling(config, task, self.pooling)

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        return attach_pooled(checkpoint, config, task, pooling=self.pooling, dropout=self.dropout)
