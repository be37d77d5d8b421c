"""Several successive halvings side by side, from one that judges early to one that never does."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.sweeps.pruners.asha import Asha
from hone.sweeps.pruners.base import Standing
from hone.sweeps.pruners.rule import Rule
from hone.sweeps.reports import Curve, Reports
from hone.types import Factor, ProperShare


@final
@dataclass(frozen=True)
class Hyperband(Rule):
    """A run is compared within its bracket; the bracket that judges earliest has the most of them."""

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

    def condemns(self, curves: Mapping[str, Curve], run: str) -> bool:
        asha = self.brackets[self.bracket(run)]
        return asha is not None and asha.condemns(self._within(curves, self.bracket(run)), run)

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        curves = Reports(folder, higher_is_better).curves() if standing.stopped else {}
        turns = [
            asha.next_of(self._within(curves, place), standing) for place, asha in enumerate(self.brackets) if asha
        ]
        return next((run for run in turns if run is not None), None)

    def _within(self, curves: Mapping[str, Curve], bracket: int) -> dict[str, Curve]:
        return {run: curve for run, curve in curves.items() if self.bracket(run) == bracket}
