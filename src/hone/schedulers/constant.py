"""No decay: warm-up, then the same learning rate to the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from hone.schedulers.base import Scheduler
from hone.types import Length


@final
@dataclass(frozen=True)
class Constant(Scheduler):
    """There is nothing to end above, so it has no floor."""

    warmup: Length

    def decay(self, progress: float) -> float:
        return 1.0
