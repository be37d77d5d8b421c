"""The Pareto front of a sweep with several objectives: the finished runs that no other run dominates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from hone.reports.runs import RunEntry


@final
@dataclass(frozen=True)
class Front:
    """The runs on the front. The best run in the first objective comes first."""

    objectives: Mapping[str, str]
    """`maximize` or `minimize`, by the name of the number."""
    runs: tuple[RunEntry, ...]


def pareto_front(entries: Sequence[RunEntry]) -> Front | None:
    """Find the front. A sweep with fewer than two objectives has none."""
    objectives = next((entry.objectives for entry in entries if len(entry.objectives) > 1), None)
    if objectives is None:
        return None
    costs = {id(entry): _costs(entry, objectives) for entry in entries if entry.counts}
    complete = [entry for entry in entries if entry.counts and not any(map(math.isnan, costs[id(entry)]))]

    def is_dominated(entry: RunEntry) -> bool:
        return any(_dominates(costs[id(other)], costs[id(entry)]) for other in complete if other is not entry)

    front = [entry for entry in complete if not is_dominated(entry)]
    return Front(objectives, tuple(sorted(front, key=lambda entry: costs[id(entry)])))


def _costs(entry: RunEntry, objectives: Mapping[str, str]) -> tuple[float, ...]:
    """Return the objectives of a run, with the sign that makes lower better."""
    return tuple(
        -entry.number_of(name) if direction == "maximize" else entry.number_of(name)
        for name, direction in objectives.items()
    )


def _dominates(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Whether the first run is at least as good in every objective and better in one."""
    pairs = list(zip(ours, theirs, strict=True))
    return all(mine <= other for mine, other in pairs) and any(mine < other for mine, other in pairs)
