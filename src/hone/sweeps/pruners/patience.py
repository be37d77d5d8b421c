"""A run that gets no better stops, unless no other is as good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from hone.sweeps.pruners.rule import Rule
from hone.sweeps.reports import Curve
from hone.types import Count, NotNegative


@final
@dataclass(frozen=True)
class Patience(Rule):
    """The one that leads goes on in any case, so that a sweep ends with a model."""

    evaluations: Count
    gain: NotNegative

    def condemns(self, curves: Mapping[str, Curve], run: str) -> bool:
        merits = curves[run].merits
        leads = all(merits[-1] >= curve.merits[-1] for curve in curves.values())
        waited = len(merits) > self.evaluations
        return waited and not leads and not merits[-1] > merits[-1 - self.evaluations] + self.gain
