"""Tiny networks for tables and for pages. Their tokenizers have the words of the built-in tables and pages."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, final

from tokenizers.pre_tokenizers import ByteLevel
from torch import nn
from transformers import (
    LayoutLMv3Config,
    LayoutLMv3ImageProcessorPil,
    LayoutLMv3Processor,
    LayoutLMv3Tokenizer,
    PretrainedConfig,
    PreTrainedModel,
    TapasConfig,
    TapasTokenizer,
)

from hone.core.paths import cache_key
from hone.core.value_types import Count
from hone.data.tiny.forms import form_words
from hone.data.tiny.prices import table_words
from hone.models.checkpoints.tiny import Tiny
from hone.models.checkpoints.tiny_text import SPECIAL, number_pieces
from hone.models.processors import fit_tokenizer

_PAGE_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
"""The special tokens of pages, in the order of their numbers."""
_SPACE = "Ġ"
"""How a tokenizer of bytes writes the space before a word."""
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


@final
@dataclass(frozen=True)
class TinyLayoutLMv3(Tiny):
    """A tiny encoder of words, of their places on a page, and of the page's picture in patches of 16 by 16 pixels."""

    kind: ClassVar[str] = "tiny_layoutlmv3"
    processors: ClassVar[tuple[str, ...]] = ("AutoProcessor",)

    image_size: Count = 64

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 192,
            "coordinate_size": 16,
            "shape_size": 16,
            "max_position_embeddings": 258,
            "patch_size": 16,
            "initializer_range": 0.1,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        }
        special: dict[str, Any] = {f"{role}_token_id": place for place, role in enumerate(("bos", "pad", "eos"))}
        vocabulary, _ = _page_pieces()
        return LayoutLMv3Config(vocab_size=len(vocabulary), input_size=self.image_size, **special, **sizes)

    def own_processor(self, auto_class: str) -> Any:
        vocabulary, merges = _page_pieces()
        size: Any = {"height": self.config({}).input_size, "width": self.config({}).input_size}
        pairs: Any = list(merges)
        tokenizer = LayoutLMv3Tokenizer(vocab=dict(vocabulary), merges=pairs)
        images = LayoutLMv3ImageProcessorPil(apply_ocr=False, size=size)
        return LayoutLMv3Processor(images, fit_tokenizer(tokenizer, self.config({}), self.name))

    def fingerprint(self) -> str:
        return cache_key(self.name, self.hyperparameters or {}, self.image_size, len(_page_pieces()[0]))[:16]


@cache
def _page_pieces() -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """Returns the vocabulary of pages and the order in which bytes are joined: every known word becomes one token, for
    its first letters are joined from the left."""
    joined: dict[str, tuple[str, str]] = {}
    for word in form_words():
        letters = f"{_SPACE}{word}"
        joined |= {letters[:end]: (letters[: end - 1], letters[end - 1]) for end in range(2, len(letters) + 1)}
    pieces = [*_PAGE_SPECIAL, *sorted(ByteLevel.alphabet()), *joined]
    return {piece: place for place, piece in enumerate(pieces)}, tuple(joined.values())


@cache
def _pieces() -> tuple[str, ...]:
    return tuple(number_pieces([_EMPTY, *table_words()]))
