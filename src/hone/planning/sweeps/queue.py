"""How runs would follow each other: each begins where one has ended first, until the budget is spent."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from hone.sweeps.sweep import Budget


@final
@dataclass(frozen=True)
class Where:
    """Who runs the cells, if another launcher does, and whether on other machines."""

    launcher: str | None
    elsewhere: bool


@final
@dataclass(frozen=True)
class Load:
    """What a run has left to do; `seconds` may be unknown."""

    steps: int
    seconds: float | None


@final
@dataclass(frozen=True)
class Queue:
    """What comes of it all."""

    runs: int
    steps: int
    seconds: float | None
    """Until the last one ends."""


def queued(loads: Sequence[Load], workers: int, budget: Budget) -> Queue:
    """In the order in which they are given."""
    places, ends = [0.0] * workers, list[tuple[float, int]]()
    for number, load in enumerate(loads):
        begins = places[0]
        if budget.spent(number, begins, sum(steps for end, steps in ends if end <= begins)):
            break
        end = begins + (load.seconds or float(load.steps))  # where times are unknown, steps stand for them
        heapq.heapreplace(places, end)
        ends.append((end, load.steps))
    known = all(load.seconds is not None for load in loads[: len(ends)])
    return Queue(len(ends), sum(steps for _, steps in ends), max(places) if known else None)
