"""The contract of a schedule: a warm-up, then a decay that each kind draws in its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

from hone.durations import Clock, Duration
from hone.types import Length


class Scheduler(ABC):
    """A config's `scheduler`."""

    warmup: Length
    """How long the learning rate rises from zero, in a straight line."""
    floor: float = 0.0
    """The share of the learning rate that is left at the end."""

    @abstractmethod
    def decay(self, progress: float) -> float:
        """The height above the floor, from 1 to 0, as `progress` after the warm-up goes from 0 to 1."""

    @final
    def factor(self, clock: Clock) -> Callable[[int], float]:
        """What the learning rate is multiplied by after so many finished steps."""
        warmup = Duration.parse(self.warmup).steps(clock)
        rest = max(clock.total_steps - warmup, 1)

        def at(step: int) -> float:
            if step < warmup:
                return step / warmup
            return self.floor + (1 - self.floor) * self.decay(min((step - warmup) / rest, 1.0))

        return at
