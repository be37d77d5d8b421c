"""Pairs of texts as tokens, where one that is too long must be told by the row it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from hone.text import require_padded_room, require_room, require_uncut_room, token_limit

Truncation = Literal["longest_first", "only_first", "do_not_truncate"]


def read_pairs(
    tokenizer: Any,
    ids: Sequence[int],
    pairs: Sequence[tuple[str, str]],
    truncation: Truncation,
    max_length: int | None,
    multiple: int | None,
) -> dict[str, list[list[int]]]:
    """What the network reads of each pair; `ids` are the rows they come from, for messages."""
    limit = token_limit(tokenizer, max_length)
    cuts, uncut = truncation != "do_not_truncate", f"task.truncation={truncation}"
    firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
    if truncation == "only_first":
        require_uncut_room(tokenizer, ids, "choices", seconds, limit, truncation)
    tokens = tokenizer(
        firsts,
        seconds,
        truncation=truncation if cuts else False,
        max_length=limit if cuts else None,
        return_attention_mask=False,
        return_token_type_ids="token_type_ids" in tokenizer.model_input_names,
        verbose=False,
    )
    lengths = [len(each) for each in tokens["input_ids"]]
    require_room(ids, "choices", lengths, limit, uncut)
    require_padded_room(tokenizer, max(lengths), multiple)
    return dict(tokens)
