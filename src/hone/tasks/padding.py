"""Rows of different lengths as rectangular tensors, and the parts of rows joined, split and indexed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor


def pad_inputs(rows: dict[str, Any], tokenizer: Any, width: int | None, multiple: int | None) -> dict[str, Tensor]:
    """Pad token ids, token types and attention mask to the longest row or to `width`, rounded up to `multiple`."""
    lengths = np.array([len(ids) for ids in rows["input_ids"]])
    width = int(lengths.max()) if width is None else width
    width = -(-width // multiple) * multiple if multiple else width
    left = tokenizer.padding_side == "left"
    fill = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    inputs = {name: pad_rows(rows[name], value, width, left) for name, value in fill.items() if name in rows}
    return inputs | {"attention_mask": attention_mask(lengths, width, left)}


def pad_right(rows: Sequence[np.ndarray[Any, Any]], value: int) -> dict[str, Tensor]:
    """Pad token ids on the right, for networks that count positions from the left."""
    lengths = np.array([len(ids) for ids in rows])
    width = int(lengths.max())
    return {"input_ids": pad_rows(rows, value, width), "attention_mask": attention_mask(lengths, width)}


def pad_rows(rows: Sequence[Any], value: int, width: int, left: bool = False) -> Tensor:
    """Return the rows as one integer tensor, padded with `value`."""
    padded = np.full((len(rows), width), value, dtype=np.int64)
    for index, row in enumerate(rows):
        start = width - len(row) if left else 0
        padded[index, start : start + len(row)] = row
    return torch.from_numpy(padded)


def attention_mask(lengths: np.ndarray[Any, Any], width: int, left: bool = False) -> Tensor:
    """Return 1 where a padded tensor holds a value of its row, 0 where it holds padding."""
    columns = np.arange(width)
    inside = columns >= width - lengths[:, None] if left else columns < lengths[:, None]
    return torch.from_numpy(inside.astype(np.int64))


def stack_features(rows: Sequence[Sequence[float]]) -> dict[str, Tensor]:
    """Return the precomputed features of a frozen backbone as the inputs of a head."""
    return {"features": torch.from_numpy(np.array(rows, dtype=np.float32))}


def group_parts(parts: Sequence[Any], counts: Iterable[int]) -> list[Sequence[Any]]:
    """Group the parts of all rows by row; `counts` says how many each row has."""
    return [parts[start:stop] for start, stop in pairwise(accumulate(counts, initial=0))]


def join_parts(parts: Sequence[Sequence[int]], counts: Iterable[int]) -> list[list[int]]:
    """Join the parts of each row end to end; `counts` says how many each row has."""
    return [[*chain(*group)] for group in group_parts(parts, counts)]


def split_parts(rows: Sequence[Sequence[int]], sizes: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Undo `join_parts`: return the parts of all rows, given the sizes of the parts of each row."""
    return [part for row, row_sizes in zip(rows, sizes, strict=True) for part in group_parts(row, row_sizes)]


def padded_index(counts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return a table with the index of each row's parts among all parts, and a mask of the cells that hold a part."""
    real = np.arange(max(counts)) < np.asarray(counts)[:, None]
    indices = np.zeros(real.shape, dtype=np.int64)
    indices[real] = np.arange(real.sum())
    return torch.from_numpy(indices), torch.from_numpy(real)
