"""A power of the straight line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from hone.schedulers.base import Scheduler
from hone.types import Length, Positive, Share


@final
@dataclass(frozen=True)
class Polynomial(Scheduler):
    """Warm-up, then this decay to the floor."""

    warmup: Length
    floor: Share = 0.0
    power: Positive = 2.0

    def decay(self, progress: float) -> float:
        return float((1 - progress) ** self.power)
