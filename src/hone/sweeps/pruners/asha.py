"""Asynchronous successive halving (ASHA), and Hyperband, which runs it several times.

At each rung the best runs continue, and the others stop. A run that reaches a rung is compared with all runs that have
reached it so far, so no run waits for another. If a stopped run turns out to be among the best when more runs have
reached its rung, it continues from its own checkpoint.
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
    """Has rungs at `first`, `first * eta`, … of a run's length. One run in `eta` passes each rung."""

    eta: Factor
    first: ProperShare

    @property
    def rungs(self) -> tuple[float, ...]:
        """The rungs as fractions of a run. Even the last is at most 1/eta: what passes must have far to go."""
        count = math.floor(math.log(1 / self.first, self.eta) + _ROUNDING)
        return tuple(self.first * self.eta**power for power in range(max(count, 1)))

    def should_stop(self, curves: Mapping[str, Curve], run: str) -> bool:
        rung = curves[run].newest(self.rungs)
        return rung is not None and run not in self.passing(curves, rung)

    def passing(self, curves: Mapping[str, Curve], rung: float, at_least: int = 0) -> list[str]:
        """Return the runs that continue beyond a rung, best first. Runs without a finite value never do."""
        merits = {run: curve.merit_on_arrival(rung) for run, curve in curves.items() if curve.reached(rung)}
        sound = sorted((run for run in merits if merits[run] > -math.inf), key=lambda run: (-merits[run], run))
        return sound[: max(len(merits) // self.eta, at_least)]

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        return self.next_of(Reports(folder, higher_is_better).curves(), standing) if standing.stopped else None

    def next_of(self, curves: Mapping[str, Curve], standing: Standing) -> str | None:
        """Return the stopped run that continues next, if one may: the furthest, and of these the best.

        When no other run will come, one continues even if fewer than `eta` have reached its rung.
        """
        sound = {run: curve for run, curve in curves.items() if run not in standing.failed}
        for rung in reversed(self.rungs):
            waiting = _waiting(sound, self.rungs, rung, standing.stopped)
            revivable = [run for run in self.passing(sound, rung, int(standing.last)) if run in waiting]
            if revivable:
                return revivable[0]
        return None


@final
@dataclass(frozen=True)
class Hyperband(PruningRule):
    """Runs several ASHA ladders side by side, from one that judges early to one that never does.

    Each run belongs to one ladder (its bracket) and is compared with the runs of that. The bracket that judges earliest
    has the most runs.
    """

    eta: Factor
    first: ProperShare

    @property
    def brackets(self) -> list[Asha | None]:
        """The ladders. The first rung of each is `eta` times as late as that of the one before; the last has none."""
        return [*(Asha(self.eta, rung) for rung in Asha(self.eta, self.first).rungs), None]

    def bracket(self, run: str) -> int:
        """Return the place of a run's bracket.

        It is drawn from the run's identity, with such probabilities that all brackets cost about the same.
        """
        last = len(self.brackets) - 1
        sizes = [self.eta ** (last - place) * (last + 1) / (last - place + 1) for place in range(last + 1)]
        point = zlib.crc32(run.encode()) / 2**32 * sum(sizes)  # a hash, so every process draws the same
        return next((place for place in range(last) if point < sum(sizes[: place + 1])), last)

    def should_stop(self, curves: Mapping[str, Curve], run: str) -> bool:
        asha = self.brackets[self.bracket(run)]
        return asha is not None and asha.should_stop(self._curves_of(curves, self.bracket(run)), run)

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        curves = Reports(folder, higher_is_better).curves() if standing.stopped else {}
        for place, asha in enumerate(self.brackets):
            run = asha.next_of(self._curves_of(curves, place), standing) if asha else None
            if run is not None:
                return run
        return None

    def _curves_of(self, curves: Mapping[str, Curve], bracket: int) -> dict[str, Curve]:
        return {run: curve for run, curve in curves.items() if self.bracket(run) == bracket}


def _waiting(curves: Mapping[str, Curve], rungs: Collection[float], rung: float, stopped: Collection[str]) -> set[str]:
    """Return the stopped runs that have reached this rung and no later one."""
    further = min((other for other in rungs if other > rung), default=1.0)
    return {run for run in stopped if run in curves and curves[run].reached(rung) and not curves[run].reached(further)}
