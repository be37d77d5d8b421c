"""Asynchronous successive halving (ASHA), and Hyperband, which runs it several times.

At each rung the best share of the runs goes on, and the others wait for their turn.

A run that comes to a rung is compared with all that have been there. Nobody waits for anybody: one that is stopped and
turns out to belong to the best when more have come goes on from its own checkpoint.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.core.value_types import Factor, ProperShare
from hone.sweeps.curves import Curve, Reports
from hone.sweeps.pruners.rule import PruningRule
from hone.training.pruning import Standing

_ROUNDING = 1e-6


@final
@dataclass(frozen=True)
class Asha(PruningRule):
    """Rungs at `first`, `first * eta`, … of a run's length; one in `eta` passes each."""

    eta: Factor
    first: ProperShare

    @property
    def rungs(self) -> tuple[float, ...]:
        """A later one must be worth it: what passes has as many times as far to go."""
        count = math.floor(math.log(1 / self.first, self.eta) + _ROUNDING)
        return tuple(self.first * self.eta**power for power in range(max(count, 1)))

    def should_stop(self, curves: Mapping[str, Curve], run: str) -> bool:
        rung = curves[run].newest(self.rungs)
        return rung is not None and run not in self.passing(curves, rung)

    def passing(self, curves: Mapping[str, Curve], rung: float, at_least: int = 0) -> list[str]:
        """Those that go on from there."""
        merits = {run: curve.merit_on_arrival(rung) for run, curve in curves.items() if curve.reached(rung)}
        sound = sorted((run for run in merits if merits[run] > -math.inf), key=lambda run: (-merits[run], run))
        return sound[: max(len(merits) // self.eta, at_least)]

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        return self.next_of(Reports(folder, higher_is_better).curves(), standing) if standing.stopped else None

    def next_of(self, curves: Mapping[str, Curve], standing: Standing) -> str | None:
        """The stopped run that is furthest of those that may go on; in the end one goes on even where few have come."""
        there = {run: curve for run, curve in curves.items() if run not in standing.failed}
        for rung in reversed(self.rungs):
            waiting = _waiting(there, self.rungs, rung, standing.stopped)
            chosen = [run for run in self.passing(there, rung, int(standing.last)) if run in waiting]
            if chosen:
                return chosen[0]
        return None


@final
@dataclass(frozen=True)
class Hyperband(PruningRule):
    """Hyperband runs several of ASHA's ladders side by side, from one that judges early to one that never judges.

    A run is compared with the runs of its bracket. The bracket that judges earliest has the most runs.
    """

    eta: Factor
    first: ProperShare

    @property
    def brackets(self) -> list[Asha | None]:
        """The first rung of each is `eta` times as late as that of the one before; the last has none."""
        return [*(Asha(self.eta, rung) for rung in Asha(self.eta, self.first).rungs), None]

    def bracket(self, run: str) -> int:
        """Drawn by the run's identity; each bracket costs about as much as any other."""
        last = len(self.brackets) - 1
        sizes = [self.eta ** (last - place) * (last + 1) / (last - place + 1) for place in range(last + 1)]
        drawn = zlib.crc32(run.encode()) / 2**32 * sum(sizes)
        return next(place for place in range(last + 1) if drawn < sum(sizes[: place + 1]) or place == last)

    def should_stop(self, curves: Mapping[str, Curve], run: str) -> bool:
        asha = self.brackets[self.bracket(run)]
        return asha is not None and asha.should_stop(self._within(curves, self.bracket(run)), run)

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        curves = Reports(folder, higher_is_better).curves() if standing.stopped else {}
        turns = [
            asha.next_of(self._within(curves, place), standing) for place, asha in enumerate(self.brackets) if asha
        ]
        return next((run for run in turns if run is not None), None)

    def _within(self, curves: Mapping[str, Curve], bracket: int) -> dict[str, Curve]:
        return {run: curve for run, curve in curves.items() if self.bracket(run) == bracket}


def _waiting(curves: Mapping[str, Curve], rungs: Collection[float], rung: float, stopped: Collection[str]) -> set[str]:
    """The stopped ones that have come just so far."""
    further = min((other for other in rungs if other > rung), default=1.0)
    return {run for run in stopped if run in curves and curves[run].reached(rung) and not curves[run].reached(further)}
