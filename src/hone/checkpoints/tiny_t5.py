"""A tiny encoder with a decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from transformers import PretrainedConfig, T5Config

from hone.checkpoints.tiny import SPECIAL, Tiny

_SIZE: dict[str, Any] = {
    "d_model": 96,
    "d_kv": 24,
    "d_ff": 192,
    "num_layers": 2,
    "num_heads": 4,
    "dropout_rate": 0.05,
    "feed_forward_proj": "gated-gelu",
}


@final
@dataclass(frozen=True)
class TinyT5(Tiny):
    """Reads in both directions, then writes."""

    def shape(self, words: int) -> PretrainedConfig:
        special: dict[str, Any] = {
            "pad_token_id": SPECIAL["pad"],
            "eos_token_id": SPECIAL["last"],
            "decoder_start_token_id": SPECIAL["pad"],
        }
        return T5Config(vocab_size=words, **special, **_SIZE)
