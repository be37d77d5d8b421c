"""Heads on the pooled states of a backbone: a linear layer, or a small perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import transformers
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2CLS
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

from hone.core.errors import UserError, did_you_mean
from hone.core.task import Task
from hone.core.value_types import Count, PartialShare, Pooling
from hone.models.adapters import Adapter
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import auto_classes
from hone.models.head import Head
from hone.models.heads.backbones import load_backbone, measure_states
from hone.models.heads.pooled_model import (
    PooledConfig,
    PooledForAudioClassification,
    PooledForImageClassification,
    PooledForSequenceClassification,
    PooledForVideoClassification,
)
from hone.models.loading import attach_with_head
from hone.models.sentence_transformers import chosen_pooling, pooling_hint

MODELS: dict[str, Any] = {
    "AutoModelForSequenceClassification": PooledForSequenceClassification,
    "AutoModelForImageClassification": PooledForImageClassification,
    "AutoModelForAudioClassification": PooledForAudioClassification,
    "AutoModelForVideoClassification": PooledForVideoClassification,
}


@final
@dataclass(frozen=True)
class Linear(Head):
    """Dropout and a linear layer."""

    pooling: Pooling
    dropout: PartialShare = 0.1

    def check(self, config: PretrainedConfig, task: Task, adapter: Adapter) -> None:
        check_pooling(config, task, self.pooling)

    def hint(self, config: PretrainedConfig, task: Task) -> str:
        return pooling_hint("head.pooling", self.pooling, config)

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        return attach_pooled(checkpoint, config, task, pooling=self.pooling, dropout=self.dropout)


@final
@dataclass(frozen=True)
class MLP(Head):
    """A small perceptron with `layers` hidden layers of `hidden` units (null: as wide as the backbone)."""

    pooling: Pooling
    hidden: Count | None = None
    layers: Count = 1
    activation: str = "gelu"
    dropout: PartialShare = 0.1

    def check(self, config: PretrainedConfig, task: Task, adapter: Adapter) -> None:
        check_pooling(config, task, self.pooling)
        if self.activation not in ACT2CLS:
            raise UserError(
                f"head.activation={self.activation}: no such activation.{did_you_mean(self.activation, ACT2CLS)}"
            )

    def hint(self, config: PretrainedConfig, task: Task) -> str:
        return pooling_hint("head.pooling", self.pooling, config)

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        return attach_pooled(
            checkpoint, config, task, pooling=self.pooling, dropout=self.dropout,
            hidden=[self.hidden] * self.layers, activation=self.activation,
        )  # fmt: skip


def check_pooling(config: PretrainedConfig, task: Task, pooling: str) -> None:
    """Raises UserError where a pooled head cannot work."""
    if task.auto_model not in MODELS:
        raise UserError(
            f"A pooled head gives one answer per row, and this task needs {task.auto_model}: use head=auto."
        )
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(
            f"A pooled head sits on an encoder or a decoder, and {config.model_type} is both: use head=auto."
        )
    if not auto_classes("AutoModel", config):
        raise UserError(f"A {config.model_type} checkpoint has no states to pool: use head=auto.")
    if chosen_pooling(pooling, config) == "cls" and config.model_type in CAUSAL and config.model_type not in MASKED:
        raise UserError(
            f"head.pooling=cls: {config.model_type} reads from left to right, so the state of its first token does "
            f"not depend on the rest. Use head.pooling=last or head.pooling=mean."
        )


def attach_pooled(
    checkpoint: Checkpoint,
    config: PretrainedConfig,
    task: Task,
    *,
    pooling: str,
    dropout: float,
    hidden: Sequence[int | None] = (),
    activation: str = "gelu",
) -> PreTrainedModel:
    """Returns the checkpoint's bare backbone under a pooled head; hidden layers are as wide as it is unless given."""
    backbone = load_backbone(checkpoint, config, task.auto_model)
    shape, pooling = measure_states(backbone), chosen_pooling(pooling, config)
    if len(shape) == 4 and pooling in ("cls", "last"):
        raise UserError(
            f"head.pooling={pooling}: the states of a {config.model_type} are a map, which has no first or last token. "
            f"Use head.pooling=mean, max or attention."
        )
    width = int(shape[1] if len(shape) == 4 else shape[2])
    labels = {name: getattr(config, name) for name in task.model_config() if name != "num_labels"}
    pooled = PooledConfig(
        backbone.config.to_dict(), width, pooling, [size or width for size in hidden], activation, dropout,
        pad_token_id=getattr(config, "pad_token_id", None), **labels,
    )  # fmt: skip
    network: PreTrainedModel = MODELS[task.auto_model](pooled, backbone)
    attach_with_head(network, backbone)
    network.train()
    return network


def register_models() -> None:
    """Makes transformers load these models with the code here instead of the copy beside their weights."""
    AutoConfig.register(PooledConfig.model_type, PooledConfig, exist_ok=True)
    for auto_model, cls in MODELS.items():
        getattr(transformers, auto_model).register(PooledConfig, cls, exist_ok=True)
