"""How the rows of a padded batch lie when they are put end to end, and which of them attention takes together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

_ALIKE = 0.6
"""A row joins the rows before it when it is at least so long as the longest of them: padding costs less than a call."""

Lengths = np.ndarray[Any, np.dtype[np.int64]]


@final
@dataclass(frozen=True)
class RowGroup:
    """Rows of like length: a rectangle that is full (`places` is None), or padded by repeating a token and masked."""

    start: int
    stop: int
    rows: int
    width: int
    places: Tensor | None
    inside: Tensor | None
    mask: Tensor | None

    @classmethod
    def of(cls, lengths: Lengths, start: int) -> RowGroup:
        """The group of rows of these lengths, longest first, whose tokens begin at `start`."""
        rows, width, total = len(lengths), int(lengths[0]), int(lengths.sum())
        if total == rows * width:
            return cls(start, start + total, rows, width, None, None, None)
        real = np.arange(width) < lengths[:, None]
        places = np.zeros((rows, width), dtype=np.int64)
        places[real] = np.arange(total)
        return cls(
            start, start + total, rows, width, torch.from_numpy(places.reshape(-1)),
            torch.from_numpy(np.flatnonzero(real)), torch.from_numpy(real)[:, None, None, :],
        )  # fmt: skip

    def square(self, packed: Tensor) -> Tensor:
        """This group's part of packed heads (1, heads, tokens, size) as (rows, heads, width, size)."""
        heads, size = packed.shape[1], packed.shape[3]
        part = packed[0, :, self.start : self.stop]
        part = part if self.places is None else part[:, self.places]
        return part.reshape(heads, self.rows, self.width, size).transpose(0, 1)

    def flat(self, rows: Tensor) -> Tensor:
        """What attention made, (rows, width, heads, size), as (tokens, heads, size)."""
        flat = rows.reshape(self.rows * self.width, *rows.shape[2:])
        return flat if self.inside is None else flat[self.inside]


@final
@dataclass(frozen=True)
class Layout:
    """Of one batch."""

    rows: int
    width: int
    tokens: int
    places: Tensor
    """Where in the rectangle each packed token lies, the longest row first; then the filling, which nobody reads."""
    groups: tuple[RowGroup, ...]

    @classmethod
    def of(cls, mask: Tensor) -> Layout:
        """From an attention mask (rows, width)."""
        real = mask.numpy().astype(bool)
        lengths: Lengths = real.sum(axis=1)
        order = np.argsort(-lengths, kind="stable")
        places = np.concatenate([np.flatnonzero(real[row]) + row * mask.shape[1] for row in order])
        filled = torch.from_numpy(np.resize(places, round_up_tokens(len(places))))
        return cls(len(real), mask.shape[1], len(places), filled, tuple(_groups(lengths[order])))

    def pack(self, values: Tensor) -> Tensor:
        """(rows or 1, width, …) to (1, tokens, …)."""
        if values.shape[0] == 1:
            return values[:, self.places % self.width]
        return values.reshape(self.rows * self.width, *values.shape[2:])[self.places][None]

    def unpack(self, values: Tensor) -> Tensor:
        """(1, tokens, …) to (rows, width, …), with zeros where nothing was."""
        whole = values.new_zeros(self.rows * self.width, *values.shape[2:])
        whole = whole.index_copy(0, self.places[: self.tokens], values[0, : self.tokens])
        return whole.reshape(self.rows, self.width, *values.shape[2:])


def round_up_tokens(tokens: int) -> int:
    """Up by a few percent, to one of few sizes: kernels are compiled anew for each, and kept."""
    step = max(8, 1 << max(0, tokens.bit_length() - 5))
    return -(-tokens // step) * step


def _groups(lengths: Lengths) -> list[RowGroup]:
    """Rows of descending length cut into groups."""
    groups: list[RowGroup] = []
    first = start = 0
    while first < len(lengths):
        after = first + int(np.searchsorted(-lengths[first:], -_ALIKE * lengths[first], side="right"))
        groups.append(RowGroup.of(lengths[first:after], start))
        first, start = after, groups[-1].stop
    return groups
