"""Texts as a tokenizer sees them: their tokens, where words begin, and how many bytes each token stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hone.core.errors import UserError
from hone.language.blocks import Numbers, Tokens
from hone.models.compatibility import end_token

_PLAIN = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False, "verbose": False}


def tokenised(tokenizer: Any, texts: Sequence[str], ids: Sequence[int]) -> Iterator[Tokens]:
    """The tokens of each text without any that the tokenizer adds; `ids` are the texts' numbers."""
    told = {"return_offsets_mapping": True} if tokenizer.is_fast else {}
    encoded = tokenizer(list(texts), **_PLAIN, **told)
    for place, (text, number) in enumerate(zip(texts, ids, strict=True)):
        tokens = np.asarray(encoded["input_ids"][place], dtype=np.int64)
        if tokenizer.is_fast:
            size, begins = _sizes(text, encoded["offset_mapping"][place]), _begins(encoded.word_ids(place))
        else:
            size, begins = _guessed_sizes(text, len(tokens)), np.ones(len(tokens), dtype=np.int64)
        yield Tokens(tokens, np.full(len(tokens), number), size, begins)


def plain_ids(tokenizer: Any, texts: Sequence[str]) -> list[Numbers]:
    """The tokens alone."""
    return [np.asarray(ids, dtype=np.int64) for ids in tokenizer(list(texts), **_PLAIN)["input_ids"]]


def frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """What the tokenizer puts before and behind a text."""
    inner, whole = (tokenizer("a", add_special_tokens=added)["input_ids"] for added in (False, True))
    starts = range(len(whole) - len(inner) + 1)
    place = next((start for start in starts if whole[start : start + len(inner)] == inner), 0)
    return whole[:place], whole[place + len(inner) :]


def require_end_token(tokenizer: Any) -> int:
    """That of a tokenizer which has to have one."""
    end = end_token(tokenizer)
    if end is None:
        raise UserError(
            "task.block_size: the checkpoint's tokenizer has no token to put between documents; say "
            "task.block_size=null, or name a tokenizer that has an end token with checkpoint.tokenizer=…."
        )
    return end


def rest(text: str, tokens: Tokens) -> int:
    """The bytes of a text behind its last token."""
    return len(text.encode("utf-8", "surrogatepass")) - int(tokens.size.sum())


def _sizes(text: str, offsets: Sequence[tuple[int, int]]) -> Numbers:
    """What stands between a token and the one before is counted with it."""
    ends = np.array([end for _, end in offsets], dtype=np.int64)
    if not text.isascii():
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        widths = 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)
        ends = np.concatenate([[0], np.cumsum(widths)])[ends]
    return np.diff(np.maximum.accumulate(ends), prepend=0) if len(ends) else ends


def _guessed_sizes(text: str, count: int) -> Numbers:
    """The bytes spread evenly: exact for the whole text, which is what is reported of it."""
    total = len(text.encode("utf-8", "surrogatepass"))
    return np.diff(np.arange(count + 1) * total // max(count, 1))


def _begins(words: Sequence[int | None]) -> Numbers:
    numbers = np.array([-1 if word is None else word for word in words], dtype=np.int64)
    begins: Numbers = (np.diff(numbers, prepend=-2) != 0).astype(np.int64)
    return begins
