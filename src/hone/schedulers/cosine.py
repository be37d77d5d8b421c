"""Half a cosine wave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from hone.schedulers.base import Scheduler
from hone.types import Length, Share


@final
@dataclass(frozen=True)
class Cosine(Scheduler):
    """Warm-up, then this decay to the floor."""

    warmup: Length
    floor: Share = 0.0

    def decay(self, progress: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * progress))
