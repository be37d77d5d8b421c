"""Tiny networks for texts. Their tokenizer is generated from the built-in data sets."""

from __future__ import annotations

import importlib
import pkgutil
import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, final

from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertTokenizer,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    T5Config,
)

from hone.core.paths import cache_key
from hone.data import tiny
from hone.models.checkpoints.tiny import Tiny
from hone.models.processors import fit_tokenizer

SPECIAL = {"pad": 0, "unknown": 1, "first": 2, "last": 3, "mask": 4}
"""The numbers of the special tokens."""
_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class TinyText(Tiny):
    """A built-in checkpoint for texts: words of the built-in data are whole tokens, and all others are spelt out."""

    processors: ClassVar[tuple[str, ...]] = ("AutoTokenizer",)

    def own_processor(self, auto_class: str) -> Any:
        config = self.config({})
        types = ["token_type_ids"] if hasattr(config, "type_vocab_size") else []
        reads: Any = {"model_input_names": ["input_ids", *types, "attention_mask"]}
        tokenizer = BertTokenizer(vocab=dict(_vocabulary()), **reads)
        if config.eos_token_id is not None:  # the network generates text
            tokenizer.bos_token, tokenizer.eos_token = _PIECES[SPECIAL["first"]], _PIECES[SPECIAL["last"]]
        decodes = config.eos_token_id is not None and not config.is_encoder_decoder
        return fit_tokenizer(_without_end(tokenizer) if decodes else tokenizer, config, self.name)

    def fingerprint(self) -> str:
        return cache_key(self.name, self.hyperparameters or {}, len(_vocabulary()))[:16]


@final
@dataclass(frozen=True)
class TinyBert(TinyText):
    """A tiny encoder, which reads in both directions: the default checkpoint."""

    kind: ClassVar[str] = "tiny_bert"

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 192,
            "max_position_embeddings": 128,
            "initializer_range": 0.06,
        }
        return BertConfig(vocab_size=len(_vocabulary()), pad_token_id=SPECIAL["pad"], **sizes)


@final
@dataclass(frozen=True)
class TinyLlama(TinyText):
    """A tiny decoder, which reads from left to right and generates text."""

    kind: ClassVar[str] = "tiny_llama"

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 256,
            "max_position_embeddings": 256,
            "initializer_range": 0.06,
        }
        special: dict[str, Any] = {
            "pad_token_id": SPECIAL["pad"],
            "bos_token_id": SPECIAL["first"],
            "eos_token_id": SPECIAL["last"],
        }
        return LlamaConfig(vocab_size=len(_vocabulary()), **special, **sizes)


@final
@dataclass(frozen=True)
class TinyT5(TinyText):
    """A tiny encoder with a decoder: it reads in both directions, then generates text."""

    kind: ClassVar[str] = "tiny_t5"

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "d_model": 96,
            "d_kv": 24,
            "d_ff": 192,
            "num_layers": 2,
            "num_heads": 4,
            "dropout_rate": 0.05,
            "feed_forward_proj": "gated-gelu",
        }
        special: dict[str, Any] = {
            "pad_token_id": SPECIAL["pad"],
            "eos_token_id": SPECIAL["last"],
            "decoder_start_token_id": SPECIAL["pad"],
        }
        return T5Config(vocab_size=len(_vocabulary()), **special, **sizes)


def _without_end(tokenizer: BertTokenizer) -> PreTrainedTokenizerFast:
    """Returns a decoder's tokenizer: no end token follows a text, because the decoder may continue it."""
    first, last = _PIECES[SPECIAL["first"]], _PIECES[SPECIAL["last"]]
    bare = tokenizer.backend_tokenizer
    bare.post_processor = TemplateProcessing(
        f"{first} $A", f"{first} $A {last} $B", [(first, SPECIAL["first"]), (last, SPECIAL["last"])]
    )
    roles = ("pad_token", "unk_token", "bos_token", "eos_token", "cls_token", "sep_token", "mask_token")
    reads: Any = {"model_input_names": tokenizer.model_input_names}
    return PreTrainedTokenizerFast(tokenizer_object=bare, **{role: getattr(tokenizer, role) for role in roles}, **reads)


def number_pieces(words: Iterable[str]) -> dict[str, int]:
    """Returns the vocabulary of a BERT: the special tokens, the pieces that spell any word, and these words."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    spelt = [*characters, *(f"##{character}" for character in characters)]
    return {piece: place for place, piece in enumerate(dict.fromkeys([*_PIECES, *spelt, *words]))}


@cache
def _vocabulary() -> dict[str, int]:
    return number_pieces(_words())


def _words() -> list[str]:
    """Returns the words of all built-in data sets for text tasks, each of which has a function `vocabulary`."""
    names = [module.name for module in pkgutil.iter_modules(tiny.__path__)]
    modules = [importlib.import_module(f"{tiny.__name__}.{name}") for name in names]
    return [word for module in modules if hasattr(module, "vocabulary") for word in module.vocabulary()]
