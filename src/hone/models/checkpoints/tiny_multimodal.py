"""Tiny networks for pictures with texts. Their tokenizer has the words of the built-in pictures with texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, final

from torch import nn
from transformers import (
    BertTokenizer,
    GitConfig,
    GitProcessor,
    PretrainedConfig,
    PreTrainedModel,
    ViltConfig,
    ViltImageProcessorPil,
    ViltProcessor,
    ViTImageProcessorPil,
)

from hone.core.paths import cache_key
from hone.core.value_types import Count
from hone.data.tiny.questions import question_words
from hone.data.tiny.scenes import scene_words
from hone.models.checkpoints.tiny import Tiny
from hone.models.checkpoints.tiny_text import SPECIAL, number_pieces
from hone.models.processors import fit_tokenizer

_COLOURS: dict[str, Any] = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_convert_rgb": True}


@final
@dataclass(frozen=True)
class TinyGit(Tiny):
    """A transformer on patches of 8 by 8 pixels, and a decoder that reads them before the text."""

    kind: ClassVar[str] = "tiny_git"
    processors: ClassVar[tuple[str, ...]] = ("AutoProcessor", "AutoImageProcessor")

    image_size: Count = 32

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "initializer_range": 0.1,
        }
        special: dict[str, Any] = {
            "pad_token_id": SPECIAL["pad"],
            "bos_token_id": SPECIAL["first"],
            "eos_token_id": SPECIAL["last"],
        }
        return GitConfig(
            vision_config={**sizes, "image_size": self.image_size, "patch_size": 8},
            vocab_size=len(_vocabulary()),
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **sizes,
            **special,
        )

    def own_processor(self, auto_class: str) -> Any:
        size: Any = {"height": self.image_size, "width": self.image_size}
        images = ViTImageProcessorPil(size=size, **_COLOURS)
        return images if auto_class == "AutoImageProcessor" else GitProcessor(images, _make_tokenizer(self))

    def fingerprint(self) -> str:
        return cache_key(self.name, self.hyperparameters or {}, self.image_size, len(_vocabulary()))[:16]


@final
@dataclass(frozen=True)
class TinyVilt(Tiny):
    """A transformer that reads the words of a question and patches of 8 by 8 pixels side by side."""

    kind: ClassVar[str] = "tiny_vilt"
    processors: ClassVar[tuple[str, ...]] = ("AutoProcessor", "AutoImageProcessor")

    image_size: Count = 32

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "initializer_range": 0.1,
            "patch_size": 8,
        }
        special: dict[str, Any] = {"pad_token_id": SPECIAL["pad"]}
        return ViltConfig(
            image_size=self.image_size, vocab_size=len(_vocabulary()), max_position_embeddings=40, **sizes, **special
        )

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        network = super().network(auto_class, config)
        embeddings: Any = network.base_model.embeddings
        nn.init.normal_(embeddings.position_embeddings, std=0.3)  # transformers begins with 0: no patch has a place
        return network

    def own_processor(self, auto_class: str) -> Any:
        size: Any = {"size": {"shortest_edge": self.image_size}, "size_divisor": 8}
        images = ViltImageProcessorPil(**size, **_COLOURS)
        return images if auto_class == "AutoImageProcessor" else ViltProcessor(images, _make_tokenizer(self))

    def fingerprint(self) -> str:
        return cache_key(self.name, self.hyperparameters or {}, self.image_size, len(_vocabulary()))[:16]


def _make_tokenizer(checkpoint: Tiny) -> BertTokenizer:
    reads: Any = {"model_input_names": ["input_ids", "attention_mask"]}
    tokenizer = BertTokenizer(vocab=dict(_vocabulary()), **reads)
    fitted: BertTokenizer = fit_tokenizer(tokenizer, checkpoint.config({}), checkpoint.name)
    return fitted


@cache
def _vocabulary() -> dict[str, int]:
    return number_pieces([*scene_words(), *question_words()])
