"""Words to the sub-words of a tokenizer, and back to which word each of them belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from tokenizers import pre_tokenizers

from hone.core.errors import UserError

Words = Sequence[str]


def prepare(tokenizer: Any) -> None:
    """Has a tokenizer that tells words apart by the space before them put one there, also once it is saved."""
    if not tokenizer.is_fast:
        raise UserError(
            f"checkpoint: {type(tokenizer).__name__} cannot tell which word a token comes from; choose a checkpoint "
            f"with a fast tokenizer."
        )
    splitter = tokenizer.backend_tokenizer.pre_tokenizer
    if isinstance(splitter, pre_tokenizers.ByteLevel) and not splitter.add_prefix_space:
        splitter.add_prefix_space = True
        tokenizer.add_prefix_space = True
        tokenizer.init_kwargs["add_prefix_space"] = True


def tokenise(tokenizer: Any, rows: Sequence[Words], limit: int | None) -> tuple[list[list[int]], list[list[int]]]:
    """The token ids of each row, at most `limit` of them, and the place of each token's word (-1: it has none)."""
    told = [[f" {word}" for word in row] for row in rows] if _wants_spaces(tokenizer) else [list(row) for row in rows]
    tokens = tokenizer(
        told,
        is_split_into_words=True,
        truncation=limit is not None,
        max_length=limit,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    ids: list[list[int]] = tokens["input_ids"]
    owners = [[-1 if word is None else word for word in tokens.word_ids(row)] for row in range(len(ids))]
    return ids, owners


def firsts(owners: Sequence[int], words: int) -> list[int]:
    """The place of the first sub-word of each word; -1 for a word that was cut off or has none."""
    found = [-1] * words
    for place in range(len(owners) - 1, -1, -1):
        if owners[place] >= 0:
            found[owners[place]] = place
    return found


def shifted(places: Any, start: int) -> np.ndarray[Any, Any]:
    """The places in a row that begins at `start`; -1 stays."""
    found = np.asarray(places, dtype=np.int64)
    return np.where(found < 0, found, found + start)


def spread(owners: Sequence[int], labels: Sequence[int], further: Sequence[int], nothing: int = -100) -> list[int]:
    """The label of each sub-word: its word's own for the first one, what `further` makes of that for the others."""
    told, last = [], -1
    for owner in owners:
        known = labels[owner] if owner >= 0 else nothing
        told.append(further[known] if owner == last and owner >= 0 else known)
        last = owner
    return told


def _wants_spaces(tokenizer: Any) -> bool:
    """Where bytes come after other rules, a space put by the tokenizer would get into the middle of words."""
    splitter = tokenizer.backend_tokenizer.pre_tokenizer
    return isinstance(splitter, pre_tokenizers.Sequence) and _has_bytes(splitter)


def _has_bytes(splitter: Any) -> bool:
    if isinstance(splitter, pre_tokenizers.Sequence):
        return any(map(_has_bytes, cast(Iterable[Any], splitter)))
    return isinstance(splitter, pre_tokenizers.ByteLevel)
