"""The languages of checkpoints that read and write several, however their tokenizer goes about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from hone.core.errors import UserError, listed, nearest


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
            raise UserError(f"task.target_language: the checkpoint writes {listed(known, 8)}; say which.")
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
    return f"the checkpoint does not know it.{nearest(word, alike or known)} It has {listed(alike or known, 12)}."
