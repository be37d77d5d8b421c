"""What our own heads share: pooling the backbone's states and refusing what cannot be pooled."""

from __future__ import annotations

from typing import Any

import transformers
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

from hone.checkpoints.base import Checkpoint
from hone.errors import UserError
from hone.heads.pooled_model import PooledConfig, PooledForSequenceClassification
from hone.tasks.base import Task

MODELS = {"AutoModelForSequenceClassification": PooledForSequenceClassification}


def refuse_pooling(config: PretrainedConfig, task: Task, pooling: str) -> None:
    """Raises UserError where a pooled head cannot work."""
    if task.auto_model not in MODELS:
        raise UserError(f"A pooled head gives one answer a row, and this task wants {task.auto_model}: use head=auto.")
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(
            f"A pooled head sits on an encoder or a decoder, and {config.model_type} is both: use head=auto."
        )
    if type(config) not in AutoModel._model_mapping or not hasattr(config, "hidden_size"):
        raise UserError(f"A {config.model_type} checkpoint has no states to pool: use head=auto.")
    if pooling == "cls" and config.model_type in CAUSAL and config.model_type not in MASKED:
        raise UserError(
            f"head.pooling=cls: {config.model_type} reads from left to right, so its first token has seen nothing. "
            f"Use head.pooling=last or head.pooling=mean."
        )


def attach_pooled(checkpoint: Checkpoint, config: PretrainedConfig, task: Task, **head: Any) -> PreTrainedModel:
    """The checkpoint's bare backbone under a pooled head."""
    backbone = checkpoint.network("AutoModel", config)
    labels = {name: getattr(config, name) for name in task.model_config() if name != "num_labels"}
    pooled = PooledConfig(backbone=backbone.config.to_dict(), pad_token_id=config.pad_token_id, **labels, **head)
    network: PreTrainedModel = MODELS[task.auto_model](pooled, backbone)
    network.train()
    return network


def make_known() -> None:
    """Lets transformers load our models by our own code instead of the copy that lies beside their weights."""
    AutoConfig.register(PooledConfig.model_type, PooledConfig, exist_ok=True)
    for auto_model, cls in MODELS.items():
        getattr(transformers, auto_model).register(PooledConfig, cls, exist_ok=True)
