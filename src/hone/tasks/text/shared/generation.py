"""How a network writes: its own generation settings, changed by what the task's options say, and saved with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig

from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.wording import as_typed
from hone.models.compatibility import end_token
from hone.tasks.text.shared import padding
from hone.tasks.text.shared.documents import Numbers


@final
@dataclass(frozen=True)
class Languages:
    """As the options say them; None leaves it to the tokenizer."""

    source: str | None
    target: str | None

    def settle(self, tokenizer: Any) -> None:
        """Tells the tokenizer, or the user that it knows no such language."""
        known = known_languages(tokenizer)
        for option, word in (("source_language", self.source), ("target_language", self.target)):
            if word is not None and _code(word) not in known:
                raise UserError(f"task.{option}={word}: {_objection(word, tokenizer, known)}")
        if known and self.target is None and getattr(tokenizer, "tgt_lang", None) is None:
            raise UserError(f"task.target_language: the checkpoint writes {join_names(known, 8)}; say which.")
        if _is_marked(tokenizer):
            if self.source is not None:
                raise UserError(f"task.source_language={self.source}: this checkpoint wants the target's alone.")
        elif known:
            tokenizer.src_lang = self.source or tokenizer.src_lang
            tokenizer.tgt_lang = self.target or tokenizer.tgt_lang

    def mark(self, tokenizer: Any) -> str:
        """What stands before a source text to say what to write, where a checkpoint wants it there."""
        return f">>{_code(self.target)}<< " if self.target and _is_marked(tokenizer) else ""


def known_languages(tokenizer: Any) -> Mapping[str, int]:
    """The languages a tokenizer has tokens for: none for most tokenizers."""
    if _is_marked(tokenizer):
        return {_code(mark): tokenizer.convert_tokens_to_ids(mark) for mark in tokenizer.supported_language_codes}
    if not hasattr(tokenizer, "src_lang"):
        return {}
    codes = getattr(tokenizer, "lang_code_to_id", None) or tokenizer.extra_special_tokens
    numbers = codes if isinstance(codes, Mapping) else {code: tokenizer.convert_tokens_to_ids(code) for code in codes}
    return {str(code): number for code, number in numbers.items() if number != tokenizer.unk_token_id}


def first_token(tokenizer: Any) -> int | None:
    """The language's token, where every text that is written begins with it."""
    known = {} if _is_marked(tokenizer) else known_languages(tokenizer)
    first = int(tokenizer(text_target="a")["input_ids"][0]) if known else None
    return first if first in known.values() else None


def _is_marked(tokenizer: Any) -> bool:
    """Marian's way: the source text begins with >>fra<<."""
    return bool(getattr(tokenizer, "supported_language_codes", None))


def _code(word: str | None) -> str:
    return (word or "").removeprefix(">>").removesuffix("<<")


def _objection(word: str, tokenizer: Any, known: Mapping[str, int]) -> str:
    if not known:
        return (
            f"{type(tokenizer).__name__} knows no languages. Leave it null; where a checkpoint wants to be told in "
            f"words, as T5 does, say them with task.source_prefix=…"
        )
    alike = [code for code in known if code[:2].casefold() == word[:2].casefold()]
    return (
        f"the checkpoint does not know it.{did_you_mean(word, alike or known)} It has {join_names(alike or known, 12)}."
    )


USUAL_LENGTH = 128
"""Tokens written at most, where neither the options nor the checkpoint say how many."""
_OF_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
_OF_BEAMS = ("length_penalty", "early_stopping")


def settings(network: Any, tokenizer: Any, example: Sequence[int], options: Mapping[str, Any]) -> GenerationConfig:
    """The network's settings with these options, where they are not None; nothing is left to chance.

    It begins to write as it learned to: with what the architecture puts before `example`, labels of any text.
    """
    own: GenerationConfig = copy.deepcopy(network.generation_config)
    told = {name: value for name, value in options.items() if value is not None}
    own.update(**told, do_sample=False, num_return_sequences=None, **dict.fromkeys(_OF_SAMPLING))
    _settle_beams(own, told)
    _settle_lengths(own, told, most=tokenizer.model_max_length - 1)
    own.update(
        decoder_start_token_id=int(shifted(network, torch.tensor([list(example)], device="cpu"))[0, 0]),
        eos_token_id=end_token(tokenizer) if own.eos_token_id is None else own.eos_token_id,
        pad_token_id=network.config.pad_token_id,
        forced_bos_token_id=first_token(tokenizer) or own.forced_bos_token_id,
    )
    return own


def shifted(network: Any, labels: Tensor) -> Tensor:
    """What the decoder reads while it should write `labels`: the token before each, as the architecture has it."""
    if hasattr(network, "prepare_decoder_input_ids_from_labels"):
        read: Tensor = network.prepare_decoder_input_ids_from_labels(labels)
        return read
    start = labels.new_full((len(labels), 1), network.config.decoder_start_token_id)
    before = torch.cat([start, labels[:, :-1]], dim=1)
    return before.masked_fill(before == -100, network.config.pad_token_id)


def _settle_beams(own: GenerationConfig, told: Mapping[str, Any]) -> None:
    if (own.num_beams or 1) > 1:
        return
    for name in _OF_BEAMS:
        if name in told:
            raise UserError(
                f"task.{name}={as_typed(told[name])}: it chooses among several beams and there is one; add "
                f"task.num_beams=4, or leave it null."
            )
    own.update(**dict.fromkeys(_OF_BEAMS))


def _settle_lengths(own: GenerationConfig, told: Mapping[str, Any], most: int) -> None:
    """As many new tokens as are wanted, if there are positions for them, and no fewer than wanted if that is fewer."""
    wanted = told.get("max_new_tokens") or own.max_new_tokens or own.max_length or USUAL_LENGTH
    fewest = told.get("min_new_tokens") or own.min_new_tokens or own.min_length
    longest = min(wanted, most)
    if told.get("min_new_tokens", 0) > longest:
        raise UserError(
            f"task.min_new_tokens={told['min_new_tokens']}: at most {longest} are written (task.max_new_tokens)."
        )
    fewest = min(fewest, longest) if fewest else None
    own.update(max_new_tokens=longest, min_new_tokens=fewest, max_length=None, min_length=None)


@final
@dataclass(frozen=True)
class Writing:
    """How to go on: the likeliest token each time, beams, or dice."""

    max_new_tokens: int
    do_sample: bool
    temperature: float
    top_p: float
    num_beams: int

    def options(self) -> dict[str, Any]:
        """Words for `generate`, which complains of those that have no effect."""
        dice = {"temperature": self.temperature, "top_p": self.top_p} if self.do_sample else {}
        told = {"max_new_tokens": self.max_new_tokens, "do_sample": self.do_sample, "num_beams": self.num_beams}
        return {**told, **dice}


def write(network: Any, tokenizer: Any, prompts: Sequence[Numbers], how: Writing, seed: int) -> list[str]:
    """A continuation of each prompt; the same dice for the same seed."""
    lengths = np.array([len(prompt) for prompt in prompts])
    width = int(lengths.max())
    device = next(network.parameters()).device
    ids = padding.pad(prompts, tokenizer.pad_token_id, width, left=True).to(device)
    mask = padding.mask(lengths, width, left=True).to(device)
    special = {"pad_token_id": tokenizer.pad_token_id}
    if network.generation_config.eos_token_id is None and tokenizer.eos_token_id is not None:
        special["eos_token_id"] = tokenizer.eos_token_id
    if how.do_sample:
        torch.manual_seed(seed)
    written = network.generate(input_ids=ids, attention_mask=mask, **special, **how.options())
    texts: list[str] = tokenizer.batch_decode(written[:, width:], skip_special_tokens=True)
    return texts
