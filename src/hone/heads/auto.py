"""The head that transformers gives the checkpoint for the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import transformers
from transformers import PretrainedConfig, PreTrainedModel

from hone.adapters.base import Adapter
from hone.checkpoints.base import Checkpoint
from hone.errors import UserError
from hone.heads.base import Head
from hone.heads.pooled import MODELS
from hone.optim import Optimizer
from hone.tasks.base import Task

_WANTED = {
    "AutoModelForCausalLM": "a decoder, such as checkpoint=gpt2",
    "AutoModelForMaskedLM": "an encoder, such as checkpoint=distilbert",
    "AutoModelForSeq2SeqLM": "an encoder with a decoder, such as checkpoint=t5_small",
}


@final
@dataclass(frozen=True)
class Auto(Head):
    """What `AutoModelFor…` builds: the saved model needs nothing but transformers."""

    def refuse(self, config: PretrainedConfig, task: Task, adapter: Adapter, optimizer: Optimizer) -> None:
        own = config.auto_map if hasattr(config, "auto_map") else {}  # of a checkpoint that brings its code
        if type(config) not in getattr(transformers, task.auto_model)._model_mapping and task.auto_model not in own:
            remedy = _WANTED.get(task.auto_model, "another checkpoint")
            remedy += ", or a head of ours such as head=mean" if task.auto_model in MODELS else ""
            raise UserError(
                f"head=auto: transformers has no {task.auto_model} for a {config.model_type} checkpoint. "
                f"Choose {remedy}."
            )
        if task.auto_model == "AutoModel" and config.is_encoder_decoder:
            raise UserError(
                f"checkpoint: {config.model_type} reads and writes, and this task wants one that reads alone: an "
                f"encoder or a decoder."
            )

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        return checkpoint.network(task.auto_model, config)
