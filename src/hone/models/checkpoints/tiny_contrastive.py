"""Tiny networks with an encoder of pictures and one of texts, whose outputs are compared."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, final

from torch import nn
from transformers import (
    BaseImageProcessor,
    BertTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPProcessor,
    PretrainedConfig,
    PreTrainedModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipProcessor,
)

from hone.core.paths import cache_key
from hone.core.value_types import Count
from hone.data.tiny.coloured_shapes import COLOURED_WORDS
from hone.models.checkpoints.tiny import Tiny
from hone.models.checkpoints.tiny_text import number_pieces
from hone.models.processors import fit_tokenizer

_ENCODER: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "attention_dropout": 0.0,
}


@dataclass(frozen=True)
class TinyContrastive(Tiny):
    """A built-in checkpoint for pictures and texts. Words of its built-in data are tokens; others are spelt out."""

    processors: ClassVar[tuple[str, ...]] = ("AutoProcessor", "AutoImageProcessor")
    reads: ClassVar[tuple[str, ...]]
    """What its tokenizer makes of a text."""
    positions: ClassVar[int]
    """The most tokens of a text."""
    picture_processor: ClassVar[type[BaseImageProcessor]]

    image_size: Count = 32

    def own_processor(self, auto_class: str) -> Any:
        config: Any = self.config({})
        side = config.vision_config.image_size
        values: Any = {
            "size": {"height": side, "width": side},
            "do_center_crop": False,
            "do_convert_rgb": True,
        }
        pictures = self.picture_processor(**values)
        if auto_class == "AutoImageProcessor":
            return pictures
        names: Any = {"model_input_names": list(self.reads), "eos_token": "[SEP]"}
        tokenizer = BertTokenizer(vocab=dict(_vocabulary()), **names)
        return self.pair(pictures, fit_tokenizer(tokenizer, config.text_config, self.name))

    @abstractmethod
    def pair(self, pictures: Any, tokenizer: Any) -> Any:
        """Returns the architecture's processor for both."""

    def encoders(self) -> dict[str, Any]:
        """Returns the configs of the two encoders."""
        vocabulary = _vocabulary()
        special = {"pad_token_id": vocabulary["[PAD]"], "bos_token_id": vocabulary["[CLS]"]}
        texts = {"vocab_size": len(vocabulary), "max_position_embeddings": self.positions, **special}
        return {
            "text_config": {**_ENCODER, **texts, "eos_token_id": vocabulary["[SEP]"]},
            "vision_config": {**_ENCODER, "image_size": self.image_size, "patch_size": 8},
        }

    def fingerprint(self) -> str:
        return cache_key(self.name, self.config({}).to_dict(), self.image_size)[:16]


@final
@dataclass(frozen=True)
class TinyClip(TinyContrastive):
    """A tiny CLIP, which learns by softmax which text of a batch belongs to a picture, and the other way round."""

    kind: ClassVar[str] = "tiny_clip"
    reads: ClassVar[tuple[str, ...]] = ("input_ids", "attention_mask")
    positions: ClassVar[int] = 48
    picture_processor: ClassVar[type[BaseImageProcessor]] = CLIPImageProcessorPil

    def shape(self) -> PretrainedConfig:
        return CLIPConfig(projection_dim=64, **self.encoders())

    def pair(self, pictures: Any, tokenizer: Any) -> Any:
        return CLIPProcessor(pictures, tokenizer)


@final
@dataclass(frozen=True)
class TinySiglip(TinyContrastive):
    """A tiny SigLIP, which learns for each picture and each text whether they belong together.

    It reads 64 tokens, most of them padding, as the published checkpoints and the pipeline of transformers do.
    """

    kind: ClassVar[str] = "tiny_siglip"
    reads: ClassVar[tuple[str, ...]] = ("input_ids",)
    positions: ClassVar[int] = 64
    picture_processor: ClassVar[type[BaseImageProcessor]] = SiglipImageProcessorPil

    def shape(self) -> PretrainedConfig:
        return SiglipConfig(**self.encoders())

    def pair(self, pictures: Any, tokenizer: Any) -> Any:
        return SiglipProcessor(pictures, tokenizer)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        network: Any = super().network(auto_class, config)
        if hasattr(network, "logit_bias"):  # as in the paper: most pairs of a batch do not belong together
            nn.init.constant_(network.logit_scale, math.log(10))
            nn.init.constant_(network.logit_bias, -10)
        trained: PreTrainedModel = network
        return trained


@cache
def _vocabulary() -> dict[str, int]:
    return number_pieces(COLOURED_WORDS)
