"""Networks so small that two cores train them in seconds, with a tokenizer of their own, made in code."""

from __future__ import annotations

import importlib
import pkgutil
import string
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import transformers
from tokenizers.processors import TemplateProcessing
from transformers import BertTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

import hone.data
from hone.checkpoints.base import Checkpoint
from hone.checkpoints.fitting import apply, fit_tokenizer, headless
from hone.errors import UserError
from hone.facts import Facts
from hone.key import key
from hone.types import Positive

SPECIAL = {"pad": 0, "unknown": 1, "first": 2, "last": 3, "mask": 4}
"""The numbers of the special tokens."""
_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Tiny(Checkpoint):
    """Words of the built-in data are whole tokens, all others are spelt out."""

    lr: Positive
    hyperparameters: dict[str, Any] | None = None

    @abstractmethod
    def shape(self, words: int) -> PretrainedConfig:
        """Its config for so many different tokens."""

    @property
    def name(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        config = self.shape(len(_vocabulary()))
        return apply(apply(config, self.hyperparameters or {}, "checkpoint.hyperparameters"), changes)

    def processor(self, auto_class: str, facts: Facts) -> Any:
        if auto_class != "AutoTokenizer":
            raise UserError(f"checkpoint={self.name} reads text and has no {auto_class}; choose another checkpoint.")
        config = self.config({})
        types = ["token_type_ids"] if hasattr(config, "type_vocab_size") else []
        reads: Any = {"model_input_names": ["input_ids", *types, "attention_mask"]}
        tokenizer = BertTokenizer(vocab=dict(_vocabulary()), **reads)
        if config.eos_token_id is not None:  # it writes
            tokenizer.bos_token, tokenizer.eos_token = _PIECES[SPECIAL["first"]], _PIECES[SPECIAL["last"]]
        decodes = config.eos_token_id is not None and not config.is_encoder_decoder
        return fit_tokenizer(_without_end(tokenizer) if decodes else tokenizer, config, self.name)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        auto = getattr(transformers, auto_class)
        network: PreTrainedModel = auto.from_config(config, **headless(auto, config))
        return network

    def fingerprint(self) -> str:
        return key(self.name, self.hyperparameters or {}, len(_vocabulary()))[:16]


def _without_end(tokenizer: BertTokenizer) -> PreTrainedTokenizerFast:
    """For a decoder: behind a text it reads no end, since it may go on with it."""
    first, last = _PIECES[SPECIAL["first"]], _PIECES[SPECIAL["last"]]
    bare = tokenizer.backend_tokenizer
    bare.post_processor = TemplateProcessing(
        f"{first} $A", f"{first} $A {last} $B", [(first, SPECIAL["first"]), (last, SPECIAL["last"])]
    )
    roles = ("pad_token", "unk_token", "bos_token", "eos_token", "cls_token", "sep_token", "mask_token")
    reads: Any = {"model_input_names": tokenizer.model_input_names}
    return PreTrainedTokenizerFast(tokenizer_object=bare, **{role: getattr(tokenizer, role) for role in roles}, **reads)


@cache
def _vocabulary() -> dict[str, int]:
    characters = string.ascii_lowercase + string.digits + string.punctuation
    spelt = [*characters, *(f"##{character}" for character in characters)]
    return {piece: place for place, piece in enumerate(dict.fromkeys([*_PIECES, *spelt, *_words()]))}


def _words() -> list[str]:
    """Those of every built-in data set: each `data/tiny_….py` says its own."""
    names = [module.name for module in pkgutil.iter_modules(hone.data.__path__) if module.name.startswith("tiny_")]
    return [word for name in names for word in importlib.import_module(f"hone.data.{name}").vocabulary()]
