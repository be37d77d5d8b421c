"""The languages that a text model reads and writes, and how it continues prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from hone.core.errors import UserError, did_you_mean, join_names
from hone.tasks.padding import attention_mask, pad_rows
from hone.tasks.text.shared.documents import Numbers


@final
@dataclass(frozen=True)
class Languages:
    """The languages that the options name; None leaves the choice to the tokenizer."""

    source: str | None
    target: str | None

    def apply_to(self, tokenizer: Any) -> None:
        """Set the languages of the tokenizer; raise UserError for a language that it does not support."""
        supported = supported_languages(tokenizer)
        for option, language in (("source_language", self.source), ("target_language", self.target)):
            if language is not None and _code(language) not in supported:
                raise UserError(f"task.{option}={language}: {_objection(language, tokenizer, supported)}")
        if supported and self.target is None and getattr(tokenizer, "tgt_lang", None) is None:
            raise UserError(
                f"task.target_language: the checkpoint writes {join_names(supported, 8)}; choose one of them."
            )
        if _is_marked(tokenizer):
            if self.source is not None:
                raise UserError(f"task.source_language={self.source}: this checkpoint takes only task.target_language.")
        elif supported:
            tokenizer.src_lang = self.source or tokenizer.src_lang
            tokenizer.tgt_lang = self.target or tokenizer.tgt_lang

    def target_mark(self, tokenizer: Any) -> str:
        """Return what a checkpoint expects before a source text to select the target language, often nothing."""
        return f">>{_code(self.target)}<< " if self.target and _is_marked(tokenizer) else ""


def supported_languages(tokenizer: Any) -> Mapping[str, int]:
    """Return the languages a tokenizer has tokens for, with their ids; most tokenizers have none."""
    if _is_marked(tokenizer):
        return {_code(mark): tokenizer.convert_tokens_to_ids(mark) for mark in tokenizer.supported_language_codes}
    if not hasattr(tokenizer, "src_lang"):
        return {}
    codes = getattr(tokenizer, "lang_code_to_id", None) or tokenizer.extra_special_tokens
    ids = codes if isinstance(codes, Mapping) else {code: tokenizer.convert_tokens_to_ids(code) for code in codes}
    return {str(code): token for code, token in ids.items() if token != tokenizer.unk_token_id}


def first_language_token(tokenizer: Any) -> int | None:
    """Return the target language's token if every generated text begins with it, else None."""
    languages = {} if _is_marked(tokenizer) else supported_languages(tokenizer)
    first = int(tokenizer(text_target="a")["input_ids"][0]) if languages else None
    return first if first in languages.values() else None


def _is_marked(tokenizer: Any) -> bool:
    """Return whether the source text names the target language, as in Marian: it begins with >>fra<<."""
    return bool(getattr(tokenizer, "supported_language_codes", None))


def _code(language: str | None) -> str:
    return (language or "").removeprefix(">>").removesuffix("<<")


def _objection(language: str, tokenizer: Any, supported: Mapping[str, int]) -> str:
    if not supported:
        return (
            f"{type(tokenizer).__name__} has no languages to choose from. Leave it null; if a checkpoint takes its "
            f"instruction as text, as T5 does, put it in task.source_prefix=…"
        )
    similar = [code for code in supported if code[:2].casefold() == language[:2].casefold()]
    hint = did_you_mean(language, similar or supported)
    return f"the checkpoint does not support it.{hint} It has {join_names(similar or supported, 12)}."


@final
@dataclass(frozen=True)
class Decoding:
    """How to choose the tokens of a continuation: greedily, with beams, or by sampling."""

    max_new_tokens: int
    do_sample: bool
    temperature: float
    top_p: float
    num_beams: int

    def options(self) -> dict[str, Any]:
        """Return the arguments of `generate`, which warns about arguments without effect."""
        options = {"max_new_tokens": self.max_new_tokens, "do_sample": self.do_sample, "num_beams": self.num_beams}
        sampling = {"temperature": self.temperature, "top_p": self.top_p} if self.do_sample else {}
        return {**options, **sampling}


def continue_prompts(
    network: Any, tokenizer: Any, prompts: Sequence[Numbers], decoding: Decoding, seed: int
) -> list[str]:
    """Return a continuation of each prompt; sampling repeats itself for the same seed."""
    lengths = np.array([len(prompt) for prompt in prompts])
    width = int(lengths.max())
    device = next(network.parameters()).device
    ids = pad_rows(prompts, tokenizer.pad_token_id, width, left=True).to(device)
    mask = attention_mask(lengths, width, left=True).to(device)
    special = {"pad_token_id": tokenizer.pad_token_id}
    if network.generation_config.eos_token_id is None and tokenizer.eos_token_id is not None:
        special["eos_token_id"] = tokenizer.eos_token_id
    if decoding.do_sample:
        torch.manual_seed(seed)
    generated = network.generate(input_ids=ids, attention_mask=mask, **special, **decoding.options())
    texts: list[str] = tokenizer.batch_decode(generated[:, width:], skip_special_tokens=True)
    return texts
