"""How the rows of a padded batch are packed: put end to end, and grouped for attention by similar length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

_MIN_RATIO = 0.6
"""A row joins a group if its length is at least this share of the longest row's: padding costs less than a call."""

Lengths = np.ndarray[Any, np.dtype[np.int64]]


@final
@dataclass(frozen=True)
class RowGroup:
    """Rows of similar length, which attention takes together as one rectangle.

    A full rectangle needs no padding; in another one, missing tokens are filled in with the group's first token and
    masked.
    """

    start: int
    stop: int
    """The packed tokens of the group are those from `start` to before `stop`."""
    rows: int
    width: int
    places: Tensor | None
    """For each place in the rectangle, which token of the group is there; None: the rectangle is full."""
    inside: Tensor | None
    """The places in the rectangle that hold real tokens."""
    mask: Tensor | None

    @classmethod
    def of(cls, lengths: Lengths, start: int) -> RowGroup:
        """Makes the group of rows of these lengths, longest first, whose tokens begin at `start`."""
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

    def to_rectangle(self, packed: Tensor) -> Tensor:
        """Returns this group's part of packed heads (1, heads, tokens, size) as (rows, heads, width, size)."""
        heads, size = packed.shape[1], packed.shape[3]
        part = packed[0, :, self.start : self.stop]
        part = part if self.places is None else part[:, self.places]
        return part.reshape(heads, self.rows, self.width, size).transpose(0, 1)

    def to_tokens(self, rectangle: Tensor) -> Tensor:
        """Returns the output of attention (rows, width, heads, size) as (tokens, heads, size)."""
        flat = rectangle.reshape(self.rows * self.width, *rectangle.shape[2:])
        return flat if self.inside is None else flat[self.inside]


@final
@dataclass(frozen=True)
class Layout:
    """How the rows of one batch are packed."""

    rows: int
    width: int
    tokens: int
    places: Tensor
    """The place in the padded batch of each packed token, longest row first; then filling, which is never read."""
    groups: tuple[RowGroup, ...]

    @classmethod
    def of(cls, mask: Tensor) -> Layout:
        """Makes the layout of a batch from its attention mask (rows, width)."""
        real = mask.numpy().astype(bool)
        lengths: Lengths = real.sum(axis=1)
        order = np.argsort(-lengths, kind="stable")
        places = np.concatenate([np.flatnonzero(real[row]) + row * mask.shape[1] for row in order])
        filled = torch.from_numpy(np.resize(places, round_up_tokens(len(places))))
        return cls(len(real), mask.shape[1], len(places), filled, tuple(_group_rows(lengths[order])))

    def pack(self, values: Tensor) -> Tensor:
        """Turns (rows or 1, width, …) into (1, tokens, …)."""
        if values.shape[0] == 1:
            return values[:, self.places % self.width]
        return values.reshape(self.rows * self.width, *values.shape[2:])[self.places][None]

    def unpack(self, values: Tensor) -> Tensor:
        """Turns (1, tokens, …) into (rows, width, …), with zeros in place of padding."""
        padded = values.new_zeros(self.rows * self.width, *values.shape[2:])
        padded = padded.index_copy(0, self.places[: self.tokens], values[0, : self.tokens])
        return padded.reshape(self.rows, self.width, *values.shape[2:])


def round_up_tokens(tokens: int) -> int:
    """Rounds up by a few percent to one of few sizes, because kernels are compiled and kept for each size."""
    step = max(8, 1 << max(0, tokens.bit_length() - 5))
    return -(-tokens // step) * step


def _group_rows(lengths: Lengths) -> list[RowGroup]:
    """Divides rows of descending length into groups."""
    groups: list[RowGroup] = []
    first = start = 0
    while first < len(lengths):
        # The lengths descend, and `searchsorted` needs ascending values: hence the signs.
        after = first + int(np.searchsorted(-lengths[first:], -_MIN_RATIO * lengths[first], side="right"))
        groups.append(RowGroup.of(lengths[first:after], start))
        first, start = after, groups[-1].stop
    return groups
