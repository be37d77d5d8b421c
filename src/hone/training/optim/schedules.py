"""How the learning rate changes: a warm-up, then a decay of a shape that each schedule defines."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from hone.core.durations import Clock, Duration
from hone.core.value_types import Length, Positive, Share


class Scheduler(ABC):
    """The contract of a config's `scheduler`."""

    warmup: Length
    """How long the learning rate rises linearly from zero."""
    floor: float = 0.0
    """The share of the learning rate that is left at the end."""

    @abstractmethod
    def decay(self, progress: float) -> float:
        """Returns the height above the floor, 1 at first; `progress` after the warm-up goes from 0 to 1."""

    @final
    def factor(self, clock: Clock) -> Callable[[int], float]:
        """Returns what the learning rate is multiplied by after a number of finished steps."""
        warmup = Duration.parse(self.warmup).steps(clock)
        rest = max(clock.total_steps - warmup, 1)

        def at(step: int) -> float:
            if step < warmup:
                return step / warmup
            return self.floor + (1 - self.floor) * self.decay(min((step - warmup) / rest, 1.0))

        return at


@final
@dataclass(frozen=True)
class Constant(Scheduler):
    """After the warm-up the learning rate stays as it is; there is no decay, so there is no floor to set."""

    warmup: Length

    def decay(self, progress: float) -> float:
        return 1.0


@final
@dataclass(frozen=True)
class Linear(Scheduler):
    """A straight line down to the floor."""

    warmup: Length
    floor: Share = 0.0

    def decay(self, progress: float) -> float:
        return 1 - progress


@final
@dataclass(frozen=True)
class Cosine(Scheduler):
    """Half a cosine wave down to the floor."""

    warmup: Length
    floor: Share = 0.0

    def decay(self, progress: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * progress))


@final
@dataclass(frozen=True)
class Polynomial(Scheduler):
    """A power of the straight line down to the floor."""

    warmup: Length
    floor: Share = 0.0
    power: Positive = 2.0

    def decay(self, progress: float) -> float:
        return float((1 - progress) ** self.power)
