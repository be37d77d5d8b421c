"""A tiny encoder: the default checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from transformers import BertConfig, PretrainedConfig

from hone.checkpoints.tiny import SPECIAL, Tiny

_SIZE: dict[str, Any] = {
    "initializer_range": 0.06,
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 192,
    "max_position_embeddings": 128,
}


@final
@dataclass(frozen=True)
class TinyBert(Tiny):
    """Reads in both directions."""

    def shape(self, words: int) -> PretrainedConfig:
        return BertConfig(vocab_size=words, pad_token_id=SPECIAL["pad"], **_SIZE)
