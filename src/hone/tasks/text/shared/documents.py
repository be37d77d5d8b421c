"""Documents as a tokenizer sees them: their tokens, where words begin, and how many bytes each token stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from hone.core.errors import UserError
from hone.core.metric import Columns
from hone.models.compatibility import end_token
from hone.tasks.padding import pad_rows

CONTEXT = -1
"""The owner of tokens that are not scored: prompts, special tokens and the overlap with the block before."""

_PLAIN = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False, "verbose": False}

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@final
@dataclass(frozen=True)
class Tokens:
    """A stretch of tokens, with one entry per token in each field."""

    ids: Numbers
    owner: Numbers
    """The number of the token's document, or CONTEXT."""
    size: Numbers
    """The bytes of text that the token stands for."""
    begins: Numbers
    """1 where a word begins, else 0."""

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def context(cls, ids: Sequence[int] | Numbers) -> Tokens:
        """Return tokens that are read but not scored."""
        count = len(ids)
        zeros = np.zeros(count, dtype=np.int64)
        return cls(np.asarray(ids, dtype=np.int64), np.full(count, CONTEXT), zeros, zeros + 1)

    @classmethod
    def join(cls, parts: Sequence[Tokens]) -> Tokens:
        """Return the parts end to end."""
        names = ("ids", "owner", "size", "begins")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def split(self, size: int, overlap: int) -> Iterator[Tokens]:
        """Yield pieces of `size` tokens; the last may be shorter.

        Each begins with the last `overlap` tokens of the piece before, and the first `overlap` tokens of every piece
        are context.
        """
        for start in range(0, max(len(self) - overlap, 1), size - overlap):
            yield self._piece(start, start + size, context=overlap)

    def _piece(self, start: int, stop: int, context: int) -> Tokens:
        """Return the tokens from `start` to `stop`, the first `context` of them as context."""
        inside = slice(start, stop)
        owner = self.owner[inside].copy()
        owner[:context] = CONTEXT
        return Tokens(self.ids[inside], owner, self.size[inside], self.begins[inside])


def encode_documents(documents: Sequence[tuple[int, Sequence[Tokens]]], words: bool = False) -> Columns:
    """Return encoded rows from the number and the pieces of each document, or of several that share blocks.

    A row has its tokens and, for each run of tokens with one owner, the owner, the number of tokens and the bytes of
    text; with `words`, it also has where words begin. Pieces of context alone teach nothing and are left out, but a
    document without other pieces keeps one of them.
    """
    names = ["id", "length", "input_ids", "owners", "runs", "bytes"]
    columns: Columns = {name: [] for name in [*names, *(["begins"] if words else [])]}
    for number, pieces in documents:
        scored = [piece for piece in pieces if (piece.owner != CONTEXT).any()]
        for piece in scored or pieces[:1]:
            owned = piece.owner[piece.owner != CONTEXT]
            starts = np.concatenate([[0], np.flatnonzero(np.diff(piece.owner)) + 1])
            columns["id"].append(int(owned[0]) if len(owned) else number)
            columns["length"].append(len(piece))
            columns["input_ids"].append(piece.ids)
            columns["owners"].append(piece.owner[starts])
            columns["runs"].append(np.diff(np.append(starts, len(piece))))
            columns["bytes"].append(np.add.reduceat(piece.size, starts))
            if words:
                columns["begins"].append(piece.begins)
    return columns


def token_owners(columns: Columns) -> Numbers:
    """Return the owner of each token of encoded rows, as a rectangle padded with CONTEXT."""
    rows = [np.repeat(owners, runs) for owners, runs in zip(columns["owners"], columns["runs"], strict=True)]
    return pad_rows(rows, CONTEXT, max(map(len, rows))).numpy()


def document_bytes(columns: Columns) -> list[dict[int, int]]:
    """Return, for each encoded row, the documents that it has a part of and the bytes of those parts."""
    return [
        {int(owner): int(size) for owner, size in zip(owners, sizes, strict=True) if owner != CONTEXT}
        for owners, sizes in zip(columns["owners"], columns["bytes"], strict=True)
    ]


def require_size(option: str, size: int, limit: int, least: int) -> None:
    """Raise UserError if rows of this size are too long for the model, or too short to hold any text."""
    if size > limit:
        raise UserError(f"{option}={size}: the model takes at most {limit} tokens.")
    if size < least:
        raise UserError(f"{option}={size}: too short to hold any text; give at least {least} tokens.")


def tokenise_texts(tokenizer: Any, texts: Sequence[str], ids: Sequence[int]) -> Iterator[Tokens]:
    """Yield the tokens of each text without special tokens; `ids` are the numbers of the texts."""
    options = _PLAIN | {"return_offsets_mapping": True} if tokenizer.is_fast else _PLAIN
    encoded = tokenizer(list(texts), **options)
    for index, (text, number) in enumerate(zip(texts, ids, strict=True)):
        tokens = np.asarray(encoded["input_ids"][index], dtype=np.int64)
        if tokenizer.is_fast:
            size = _measure_sizes(text, encoded["offset_mapping"][index])
            begins = _mark_word_starts(encoded.word_ids(index))
        else:
            size, begins = _spread_size(text, len(tokens)), np.ones(len(tokens), dtype=np.int64)
        yield Tokens(tokens, np.full(len(tokens), number), size, begins)


def plain_token_ids(tokenizer: Any, texts: Sequence[str]) -> list[Numbers]:
    """Return the token ids of each text without special tokens."""
    return [np.asarray(ids, dtype=np.int64) for ids in tokenizer(list(texts), **_PLAIN)["input_ids"]]


def find_frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that the tokenizer puts before and after a text."""
    inner, whole = (tokenizer("a", add_special_tokens=added)["input_ids"] for added in (False, True))
    starts = range(len(whole) - len(inner) + 1)
    start = next((start for start in starts if whole[start : start + len(inner)] == inner), 0)
    return whole[:start], whole[start + len(inner) :]


def require_end_token(tokenizer: Any) -> int:
    """Return the tokenizer's end token; raise UserError if it has none."""
    end = end_token(tokenizer)
    if end is None:
        raise UserError(
            "task.block_size: the checkpoint's tokenizer has no token to put between documents; use "
            "task.block_size=null, or name a tokenizer that has an end token with checkpoint.tokenizer=…."
        )
    return end


def trailing_bytes(text: str, tokens: Tokens) -> int:
    """Return how many bytes of a text follow its last token."""
    return len(text.encode("utf-8", "surrogatepass")) - int(tokens.size.sum())


def _measure_sizes(text: str, offsets: Sequence[tuple[int, int]]) -> Numbers:
    """Return the bytes of each token, including those between it and the token before."""
    ends = np.array([end for _, end in offsets], dtype=np.int64)
    if not text.isascii():  # offsets count characters, which UTF-8 writes in one to four bytes
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        widths = 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)
        ends = np.concatenate([[0], np.cumsum(widths)])[ends]
    return np.diff(np.maximum.accumulate(ends), prepend=0) if len(ends) else ends


def _spread_size(text: str, count: int) -> Numbers:
    """Spread the bytes of a text evenly over its tokens; only their sum, which is exact, is reported."""
    total = len(text.encode("utf-8", "surrogatepass"))
    return np.diff(np.arange(count + 1) * total // max(count, 1))


def _mark_word_starts(words: Sequence[int | None]) -> Numbers:
    numbers = np.array([-1 if word is None else word for word in words], dtype=np.int64)
    begins: Numbers = (np.diff(numbers, prepend=-2) != 0).astype(np.int64)
    return begins
