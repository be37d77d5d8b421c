"""Rows with any number of parts: the parts of all rows end to end, and what belongs to whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor


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
