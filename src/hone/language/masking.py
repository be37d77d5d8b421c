"""Which tokens of a row are hidden, and behind what: 80 % a mask, 10 % some other token, 10 % nothing at all."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from hone.language.blocks import Numbers

_MASKED, _REPLACED = 0.8, 0.9
"""Up to where a number from 0 to 1 means a mask, and from there on another token."""


@final
@dataclass(frozen=True)
class Masking:
    """`words`: whole words are hidden, each of their tokens behind something of its own."""

    probability: float
    words: bool
    mask: int
    vocabulary: int

    def hide(self, ids: Numbers, can_be: Numbers, begins: Numbers, place: Sequence[int]) -> tuple[Numbers, Numbers]:
        """The row with tokens hidden, and where: a function of the row and a `place` in the run, not of its batch."""
        rng = np.random.default_rng([*place, zlib.crc32(np.ascontiguousarray(ids).tobytes())])
        units = np.cumsum(begins) - begins[:1] if self.words else np.arange(len(ids))
        hit = (rng.random(len(ids)) < self.probability)[units]
        places = np.flatnonzero(hit & can_be)
        fate = rng.random(len(places))
        others = rng.integers(self.vocabulary, size=len(places))
        hidden = ids.copy()
        hidden[places] = np.where(fate < _MASKED, self.mask, np.where(fate < _REPLACED, others, ids[places]))
        return hidden, places
