"""The Pareto front of a sweep that optimizes several numbers: the runs that no other run beats in all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from hone.reports.runs import RunEntry


@final
@dataclass(frozen=True)
class Front:
    """The runs on the front, best in the first objective first."""

    objectives: Mapping[str, str]
    """`maximize` or `minimize`, by the name of the number."""
    runs: tuple[RunEntry, ...]


def pareto_front(entries: Sequence[RunEntry]) -> Front | None:
    """Find the front of the finished runs. A sweep with fewer than two objectives has none."""
    objectives = next((entry.objectives for entry in entries if len(entry.objectives) > 1), None)
    if objectives is None:
        return None
    costs = {id(entry): _costs(entry, objectives) for entry in entries if entry.counts}
    complete = [entry for entry in entries if entry.counts and not any(map(math.isnan, costs[id(entry)]))]
    best = [
        entry
        for entry in complete
        if not any(_dominates(costs[id(other)], costs[id(entry)]) for other in complete if other is not entry)
    ]
    return Front(objectives, tuple(sorted(best, key=lambda entry: costs[id(entry)])))


def _costs(entry: RunEntry, objectives: Mapping[str, str]) -> tuple[float, ...]:
    """The numbers with the sign that makes less better."""
    return tuple(
        -entry.number_of(name) if direction == "maximize" else entry.number_of(name)
        for name, direction in objectives.items()
    )


def _dominates(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Whether we are at least as good in everything and better in something."""
    pairs = list(zip(ours, theirs, strict=True))
    return all(mine <= other for mine, other in pairs) and any(mine < other for mine, other in pairs)
