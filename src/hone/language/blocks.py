"""Texts as rows of tokens for language models: each document by itself, or end to end in blocks of one size.

Every token knows the document it belongs to (or that it is context alone) and how many bytes of text it stands for, so
that a document's sums are those of all its tokens, however they were cut up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from hone import padding
from hone.core.errors import UserError
from hone.core.task import Columns

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
