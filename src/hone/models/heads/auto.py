"""The head that transformers has for the checkpoint and the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from transformers import PretrainedConfig, PreTrainedModel

from hone.core.errors import UserError
from hone.core.task import Task
from hone.models.adapters import Adapter
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import auto_classes
from hone.models.head import Head
from hone.models.heads.pooled import MODELS
from hone.models.sentence_transformers import trained_pooling

_WANTED = {
    "AutoModelForCausalLM": "a decoder, such as checkpoint=gpt2",
    "AutoModelForMaskedLM": "an encoder, such as checkpoint=distilbert",
    "AutoModelForNextSentencePrediction": "BERT or a relative, such as checkpoint=bert",
    "AutoModelForSeq2SeqLM": "an encoder with a decoder, such as checkpoint=t5_small",
    "AutoModelForTableQuestionAnswering": "a TAPAS, such as checkpoint=tapas",
    "AutoModelForDocumentQuestionAnswering": "a LayoutLM, such as checkpoint=layoutlmv3",
    "AutoModelForImageClassification": "an encoder of images, such as checkpoint=vit",
    "AutoModelForVideoClassification": "an encoder of videos, such as checkpoint=videomae",
    "AutoModelForAudioClassification": "an encoder of sounds, such as checkpoint=wav2vec2",
    "AutoModelForCTC": "an encoder of speech, such as checkpoint=wav2vec2",
    "AutoModelForTextToSpectrogram": "a network that speaks, such as checkpoint=speecht5",
    "AutoModelForSemanticSegmentation": "a network for masks, such as checkpoint=segformer",
    "AutoModelForMaskedImageModeling": "a transformer on patches of images, such as checkpoint=vit",
    "AutoModelForDepthEstimation": "a network for depths, such as checkpoint=dpt",
    "AutoModelForObjectDetection": "a network for boxes, such as checkpoint=yolos",
    "AutoModelForImageTextToText": "a network that writes about pictures, such as checkpoint=git",
    "AutoModelForVisualQuestionAnswering": "a network that answers questions about pictures, such as checkpoint=vilt",
}


@final
@dataclass(frozen=True)
class Auto(Head):
    """The head is what `AutoModelFor…` builds, so the saved model needs only transformers."""

    def check(self, config: PretrainedConfig, task: Task, adapter: Adapter) -> None:
        own = config.auto_map if hasattr(config, "auto_map") else {}  # of a checkpoint that comes with its own code
        if not auto_classes(task.auto_model, config) and task.auto_model not in own:
            remedy = _WANTED.get(task.auto_model, "another checkpoint")
            remedy += ", or a head of hone such as head=mean" if task.auto_model in MODELS else ""
            raise UserError(
                f"head=auto: transformers has no {task.auto_model} for a {config.model_type} checkpoint. "
                f"Choose {remedy}."
            )
        if task.auto_model == "AutoModel" and getattr(config, "is_encoder_decoder", False):
            raise UserError(
                f"checkpoint: {config.model_type} is an encoder with a decoder, and this task needs only one of the "
                f"two. Choose another checkpoint, such as checkpoint=distilbert."
            )

    def hint(self, config: PretrainedConfig, task: Task) -> str:
        trained = trained_pooling(config)
        if trained is None or task.auto_model not in MODELS:
            return ""
        return (
            f"head=auto: the checkpoint was trained with {trained} pooling, which this head does not use; "
            f"head={trained} does."
        )

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        return checkpoint.network(task.auto_model, config)
