"""A BERT so small that two cores train it in seconds, with a tokenizer of its own: the default, made in code."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import transformers
from transformers import BertConfig, BertTokenizer, PretrainedConfig, PreTrainedModel

from hone import cache
from hone.checkpoints.base import Checkpoint
from hone.checkpoints.fitting import apply, fit_tokenizer, headless
from hone.data.tiny_emotion import vocabulary
from hone.errors import UserError
from hone.facts import Facts
from hone.types import Positive

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
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
class TinyBert(Checkpoint):
    """Random weights; words of the built-in data are whole tokens, all others are spelt out."""

    lr: Positive
    hyperparameters: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return "tiny_bert"

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        config = BertConfig(vocab_size=len(_vocabulary()), pad_token_id=0, **_SIZE)
        return apply(apply(config, self.hyperparameters or {}, "checkpoint.hyperparameters"), changes)

    def processor(self, auto_class: str, facts: Facts) -> Any:
        if auto_class != "AutoTokenizer":
            raise UserError(f"checkpoint=tiny_bert reads text and has no {auto_class}; choose another checkpoint.")
        return fit_tokenizer(BertTokenizer(vocab=_vocabulary()), self.config({}), self.name)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        auto = getattr(transformers, auto_class)
        network: PreTrainedModel = auto.from_config(config, **headless(auto, config))
        return network

    def fingerprint(self) -> str:
        return cache.key(self.name, self.hyperparameters or {})[:16]


def _vocabulary() -> dict[str, int]:
    characters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*_SPECIAL, *characters, *(f"##{character}" for character in characters), *vocabulary()]
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
