"""Texts as a tokenizer sees them: their tokens, where words begin, and how many bytes each token stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from hone.core.errors import UserError
from hone.core.task import Columns
from hone.models.compatibility import end_token
from hone.tasks.text.shared import padding

CONTEXT = -1
"""The owner of tokens that nothing is counted for: a prompt, what a tokenizer adds, the end of the block before."""

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@final
@dataclass(frozen=True)
class Tokens:
    """A stretch of text; `begins` is one where a word does."""

    ids: Numbers
    owner: Numbers
    size: Numbers
    begins: Numbers

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def context(cls, ids: Sequence[int] | Numbers) -> Tokens:
        """Tokens that are only read."""
        count = len(ids)
        blank = np.zeros(count, dtype=np.int64)
        return cls(np.asarray(ids, dtype=np.int64), np.full(count, CONTEXT), blank, blank + 1)

    @classmethod
    def join(cls, parts: Sequence[Tokens]) -> Tokens:
        """One behind the other."""
        names = ("ids", "owner", "size", "begins")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def part(self, start: int, stop: int, context: int = 0) -> Tokens:
        """The tokens from `start` on, so many of which are context."""
        inside = slice(start, stop)
        owner = self.owner[inside].copy()
        owner[:context] = CONTEXT
        return Tokens(self.ids[inside], owner, self.size[inside], self.begins[inside])

    def cut(self, size: int, overlap: int) -> Iterator[Tokens]:
        """Pieces of `size` tokens, the last one as short as it comes; each begins with the end of the one before."""
        for start in range(0, max(len(self) - overlap, 1), size - overlap):
            yield self.part(start, start + size, context=overlap)


def rows(documents: Sequence[tuple[int, Sequence[Tokens]]], words: bool = False) -> Columns:
    """Encoded rows, given for each document (or, with blocks, for several together) its number and its pieces.

    A row has its tokens and runs of tokens with one owner: whose they are, how many, and how much text; if asked, also
    where `words` begin. Pieces that are context alone teach nothing; one of them stays where a document has no other.
    """
    names = ("id", "length", "input_ids", "owners", "runs", "bytes")
    out: Columns = {name: [] for name in (*names, *(("begins",) if words else ()))}
    for number, pieces in documents:
        telling = [piece for piece in pieces if (piece.owner != CONTEXT).any()]
        for piece in telling or pieces[:1]:
            owned = piece.owner[piece.owner != CONTEXT]
            starts = np.concatenate([[0], np.flatnonzero(np.diff(piece.owner)) + 1])
            out["id"].append(int(owned[0]) if len(owned) else number)
            out["length"].append(len(piece))
            out["input_ids"].append(piece.ids)
            out["owners"].append(piece.owner[starts])
            out["runs"].append(np.diff(np.append(starts, len(piece))))
            out["bytes"].append(np.add.reduceat(piece.size, starts))
            if words:
                out["begins"].append(piece.begins)
    return out


def owners(columns: Columns) -> Numbers:
    """Whose each token of encoded rows is, in their rectangle."""
    rows = [np.repeat(*pair) for pair in zip(columns["owners"], columns["runs"], strict=True)]
    return padding.pad(rows, CONTEXT, max(map(len, rows))).numpy()


def texts(columns: Columns) -> list[dict[int, int]]:
    """For each encoded row the documents that it has a part of, and the bytes of those parts."""
    return [
        {int(owner): int(size) for owner, size in zip(*pair, strict=True) if owner != CONTEXT}
        for pair in zip(columns["owners"], columns["bytes"], strict=True)
    ]


def require_size(place: str, size: int, limit: int, least: int) -> None:
    """Refuses rows that the model cannot read, or that are all frame and no text."""
    if size > limit:
        raise UserError(f"{place}={size}: the model takes at most {limit} tokens.")
    if size < least:
        raise UserError(f"{place}={size}: too short to hold any text; give at least {least} tokens.")


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
