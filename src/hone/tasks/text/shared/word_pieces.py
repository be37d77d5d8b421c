"""Words split into the sub-words of a tokenizer, and the word that each sub-word belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from tokenizers import pre_tokenizers

from hone.core.errors import UserError

_NO_LABEL = -100


def prepare_tokenizer(tokenizer: Any) -> None:
    """Make a byte-level tokenizer put a space before each word, by which it tells words apart.

    The setting is saved with the tokenizer. Tokenizers that cannot map tokens to words raise UserError.
    """
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


def tokenise_words(
    tokenizer: Any, rows: Sequence[Sequence[str]], limit: int | None
) -> tuple[list[list[int]], list[list[int]]]:
    """Return the token ids of each row, at most `limit`, and the index of each token's word, -1 if it has none."""
    prefix = " " if _needs_spaces(tokenizer) else ""
    tokens = tokenizer(
        [[prefix + word for word in row] for row in rows],
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


def find_first_pieces(owners: Sequence[int], words: int) -> list[int]:
    """Return the index of the first sub-word of each word, -1 for a word that was cut off or has none."""
    first = [-1] * words
    for index in range(len(owners) - 1, -1, -1):  # backwards, so that the first sub-word is the last one assigned
        if owners[index] >= 0:
            first[owners[index]] = index
    return first


def shift_places(places: Any, start: int) -> np.ndarray[Any, Any]:
    """Shift indices by `start`, where their row begins; -1 stays."""
    indices = np.asarray(places, dtype=np.int64)
    return np.where(indices < 0, indices, indices + start)


def label_pieces(owners: Sequence[int], labels: Sequence[int], further: Sequence[int]) -> list[int]:
    """Return the label of each sub-word.

    The first sub-word of a word gets the word's label, the others what `further` has for that label.
    """
    piece_labels, last_owner = [], -1
    for owner in owners:
        if owner < 0:
            piece_labels.append(_NO_LABEL)
        elif owner == last_owner:
            piece_labels.append(further[labels[owner]])
        else:
            piece_labels.append(labels[owner])
        last_owner = owner
    return piece_labels


def _needs_spaces(tokenizer: Any) -> bool:
    """Return whether the spaces before words must be added by hand.

    Where byte-level splitting follows other rules, a space added by the tokenizer would end up inside words.
    """
    splitter = tokenizer.backend_tokenizer.pre_tokenizer
    return isinstance(splitter, pre_tokenizers.Sequence) and _splits_bytes(splitter)


def _splits_bytes(splitter: Any) -> bool:
    if isinstance(splitter, pre_tokenizers.Sequence):
        return any(map(_splits_bytes, cast(Iterable[Any], splitter)))
    return isinstance(splitter, pre_tokenizers.ByteLevel)
