"""Each value at random, no cell twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from hone.sweeps.samplers.base import Aim
from hone.sweeps.samplers.drawn import Drawn
from hone.sweeps.space import Space
from hone.sweeps.study import Proposal, Trial


@final
@dataclass(frozen=True)
class Random(Drawn):
    """Learns nothing."""

    def propose(self, space: Space, aim: Aim, trials: Sequence[Trial], number: int, attempt: int) -> Proposal:
        chance = random.Random(self.luck(number, attempt))  # noqa: S311 (no secret)
        return Proposal(space.at([chance.random() for _ in space.dimensions]))
