"""Tiny networks for tables and for pages. Their tokenizers have the words of the built-in tables and pages."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, final

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, TapasConfig, TapasTokenizer

from hone.core.paths import cache_key
from hone.data.tiny.prices import table_words
from hone.models.checkpoints.tiny import Tiny
from hone.models.checkpoints.tiny_text import SPECIAL, number_pieces
from hone.models.processors import fit_tokenizer

_EMPTY = "[EMPTY]"
"""The token that stands for a cell without text."""


@final
@dataclass(frozen=True)
class TinyTapas(Tiny):
    """A tiny encoder that knows the row and the column of each token."""

    kind: ClassVar[str] = "tiny_tapas"
    processors: ClassVar[tuple[str, ...]] = ("AutoTokenizer",)

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "max_position_embeddings": 128,
            "initializer_range": 0.1,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "type_vocab_sizes": [3, 16, 32, 2, 256, 256, 10],
            "max_num_rows": 32,
            "max_num_columns": 16,
        }
        return TapasConfig(vocab_size=len(_pieces()), pad_token_id=SPECIAL["pad"], **sizes)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        network = super().network(auto_class, config)
        embeddings: Any = network.base_model.embeddings
        nn.init.normal_(embeddings.word_embeddings.weight, std=0.6)
        nn.init.normal_(embeddings.token_type_embeddings_2.weight, std=0.4)
        return network

    def own_processor(self, auto_class: str) -> Any:
        config: Any = self.config({})
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "vocab.txt")
            file.write_text("".join(f"{piece}\n" for piece in _pieces()), encoding="utf-8")
            tokenizer = TapasTokenizer(str(file), max_row_id=config.max_num_rows, max_column_id=config.max_num_columns)
        return fit_tokenizer(tokenizer, config, self.name)

    def fingerprint(self) -> str:
        return cache_key(self.name, self.hyperparameters or {}, len(_pieces()))[:16]


@cache
def _pieces() -> tuple[str, ...]:
    return tuple(number_pieces([_EMPTY, *table_words()]))
