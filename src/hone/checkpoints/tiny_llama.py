"""A tiny decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from transformers import LlamaConfig, PretrainedConfig

from hone.checkpoints.tiny import SPECIAL, Tiny

_SIZE: dict[str, Any] = {
    "initializer_range": 0.06,
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 256,
    "max_position_embeddings": 256,
}


@final
@dataclass(frozen=True)
class TinyLlama(Tiny):
    """Reads from left to right, and writes."""

    def shape(self, words: int) -> PretrainedConfig:
        special: dict[str, Any] = {
            "pad_token_id": SPECIAL["pad"],
            "bos_token_id": SPECIAL["first"],
            "eos_token_id": SPECIAL["last"],
        }
        return LlamaConfig(vocab_size=words, **special, **_SIZE)
