"""Checks that text tasks share: which rows are readable texts, and how many tokens fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Json

from hone.core.columns import read_column
from hone.core.errors import RowError, UserError
from hone.core.task import Fault

PairTruncation = Literal["longest_first", "only_first", "do_not_truncate"]


def text_faults(rows: Dataset, role: str) -> Iterator[Fault]:
    """Yield the rows whose text is missing, not text, or blank."""
    column = rows.with_format("arrow")[:][role]
    if isinstance(rows.features[role], Json):  # values of several types
        yield from _odd_values(rows, role)
        return
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        yield from (Fault(row, role, f"expected text, not {column.type}") for row in range(len(rows)))
        return
    start = 0
    for chunk in column.chunks:  # chunk by chunk, so that the trimmed texts are never all in memory
        for row in pc.indices_nonzero(pc.is_null(chunk)).to_pylist():
            yield Fault(start + row, role, "the text is missing")
        for row in pc.indices_nonzero(pc.equal(pc.utf8_trim_whitespace(chunk), "")).to_pylist():
            yield Fault(start + row, role, "the text is empty")
        start += len(chunk)


def _odd_values(rows: Dataset, role: str) -> Iterator[Fault]:
    for row, value in enumerate(read_column(rows, role)):
        if value is None:
            yield Fault(row, role, "the text is missing")
        elif not isinstance(value, str):
            yield Fault(row, role, f"expected text, not {str(value)[:40]!r} ({type(value).__name__})")
        elif not value.strip():
            yield Fault(row, role, "the text is empty")


def token_limit(tokenizer: Any, max_length: int | None, option: str = "max_length") -> int:
    """Return how many tokens a row may have: `max_length` if it is set, and never more than the model takes."""
    limit = int(tokenizer.model_max_length)
    if max_length is not None and max_length > limit:
        raise UserError(f"task.{option}={max_length}: the model takes at most {limit} tokens.")
    special = tokenizer.num_special_tokens_to_add()
    if max_length is not None and max_length <= special:
        raise UserError(f"task.{option}={max_length}: the tokenizer's {special} special tokens leave no room for text.")
    return max_length or limit


def require_room(ids: Sequence[int], role: str, lengths: Sequence[int], limit: int, uncut: str) -> None:
    """Raise RowError if a row is longer than allowed; `uncut` is the option that keeps rows from being cut."""
    for row, length in zip(ids, lengths, strict=True):
        if length > limit:
            raise RowError(row, role, f"it makes more than the {limit} tokens that are allowed, and {uncut} cuts none")


def require_uncut_room(
    tokenizer: Any, ids: Sequence[int], role: str, texts: Sequence[str], limit: int, truncation: str
) -> None:
    """Raise RowError if the half of a pair that `truncation` never cuts leaves no room for the other half."""
    special = tokenizer.num_special_tokens_to_add(pair=True)
    tokens = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    for row, ids_of_text in zip(ids, tokens, strict=True):
        if len(ids_of_text) + special >= limit:
            raise RowError(
                row, role,
                f"its {len(ids_of_text)} tokens leave no room for the other text (limit {limit}), and "
                f"task.truncation={truncation} cuts only that one",
            )  # fmt: skip


def require_padded_room(tokenizer: Any, width: int, multiple: int | None) -> None:
    """Raise UserError if padding rows of this width to a multiple makes them longer than the model takes."""
    if multiple and -(-width // multiple) * multiple > tokenizer.model_max_length:
        raise UserError(
            f"task.pad_to_multiple_of={multiple}: rows of {width} tokens would be padded beyond the "
            f"{tokenizer.model_max_length} that the model takes."
        )


def tokenise_pairs(
    tokenizer: Any,
    ids: Sequence[int],
    pairs: Sequence[tuple[str, str]],
    truncation: PairTruncation,
    max_length: int | None,
    multiple: int | None,
) -> dict[str, list[list[int]]]:
    """Return the inputs of the network for pairs of a question and a choice; `ids` are their rows, for messages."""
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
    lengths = [len(row) for row in tokens["input_ids"]]
    require_room(ids, "choices", lengths, limit, uncut)
    require_padded_room(tokenizer, max(lengths), multiple)
    return dict(tokens)
