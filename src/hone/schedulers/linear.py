"""A straight line down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from hone.schedulers.base import Scheduler
from hone.types import Length, Share


@final
@dataclass(frozen=True)
class Linear(Scheduler):
    """Warm-up, then this decay to the floor."""

    warmup: Length
    floor: Share = 0.0

    def decay(self, progress: float) -> float:
        return 1 - progress
