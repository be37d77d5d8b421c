"""Ragged rows to rectangular tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor


def tokens(rows: dict[str, Any], tokenizer: Any, width: int | None, multiple: int | None) -> dict[str, Tensor]:
    """Token ids and what goes with them, padded to the longest row, or to `width`, rounded up to `multiple`."""
    lengths = np.array([len(ids) for ids in rows["input_ids"]])
    widest = width if width is not None else int(lengths.max())
    widest = -(-widest // multiple) * multiple if multiple else widest
    left = tokenizer.padding_side == "left"
    fill = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    inputs = {name: pad(rows[name], value, widest, left) for name, value in fill.items() if name in rows}
    return inputs | {"attention_mask": mask(lengths, widest, left)}


def on_the_right(rows: Sequence[np.ndarray[Any, Any]], value: int) -> dict[str, Tensor]:
    """Token ids alone, filled up behind, where networks count positions from the left whatever the tokenizer says."""
    lengths = np.array([len(ids) for ids in rows])
    width = int(lengths.max())
    return {"input_ids": pad(rows, value, width), "attention_mask": mask(lengths, width)}


def pad(rows: Sequence[Any], value: int, width: int, left: bool = False) -> Tensor:
    """The rows in one integer tensor, filled up with `value`."""
    out = np.full((len(rows), width), value, dtype=np.int64)
    for place, row in enumerate(rows):
        start = width - len(row) if left else 0
        out[place, start : start + len(row)] = row
    return torch.from_numpy(out)


def mask(lengths: np.ndarray[Any, Any], width: int, left: bool = False) -> Tensor:
    """One where a padded tensor holds a row's own values, zero where it was filled up."""
    places = np.arange(width)
    inside = places >= width - lengths[:, None] if left else places < lengths[:, None]
    return torch.from_numpy(inside.astype(np.int64))


def features(rows: Sequence[Sequence[float]]) -> dict[str, Tensor]:
    """Features that a frozen backbone gave, for the head alone."""
    return {"features": torch.from_numpy(np.array(rows, dtype=np.float32))}


def gathered(parts: Sequence[Any], counts: Iterable[int]) -> list[Sequence[Any]]:
    """The parts of each row."""
    return [parts[start:stop] for start, stop in pairwise(accumulate(counts, initial=0))]


def joined(parts: Sequence[Sequence[int]], counts: Iterable[int]) -> list[list[int]]:
    """The parts of each row, end to end."""
    return [[*chain(*mine)] for mine in gathered(parts, counts)]


def cut(rows: Sequence[Sequence[int]], sizes: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """The inverse of `joined`: the parts of all rows, whose sizes are given for each row."""
    return [part for row, mine in zip(rows, sizes, strict=True) for part in gathered(row, mine)]


def table(counts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Where the parts of each row stand among all parts, and which cells of that table are parts at all."""
    real = np.arange(max(counts)) < np.asarray(counts)[:, None]
    places = np.zeros(real.shape, dtype=np.int64)
    places[real] = np.arange(real.sum())
    return torch.from_numpy(places), torch.from_numpy(real)
