"""Points that keep away from each other, so that they cover a space more evenly than chance does.

Each coordinate goes on by a fixed irrational part of the whole: powers of the number that generalises the golden ratio.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from hone.sweeps.samplers.base import Aim
from hone.sweeps.samplers.drawn import Drawn
from hone.sweeps.space import Space
from hone.sweeps.study import Proposal, Trial

_ROUNDS = 60


@final
@dataclass(frozen=True)
class QuasiRandom(Drawn):
    """The seed moves all points by the same way."""

    def propose(self, space: Space, aim: Aim, trials: Sequence[Trial], number: int, attempt: int) -> Proposal:
        chance = random.Random(self.luck(0, attempt))  # noqa: S311 (no secret)
        ratio = _ratio(len(space.dimensions))
        steps = [ratio ** -(place + 1) for place in range(len(space.dimensions))]
        return Proposal(space.at([(chance.random() + number * step) % 1.0 for step in steps]))


def _ratio(dimensions: int) -> float:
    """The root of x^(d+1) = x + 1: the golden ratio where there is one dimension."""
    ratio = 1.5
    for _ in range(_ROUNDS):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    return ratio
