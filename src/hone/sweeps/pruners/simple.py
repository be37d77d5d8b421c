"""Pruners that compare the last evaluation of a run with those of the others."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from hone.core.value_types import Count, NotNegative, Share
from hone.sweeps.curves import Curve
from hone.sweeps.pruners.rule import PruningRule


@final
@dataclass(frozen=True)
class Median(PruningRule):
    """Stops a run that is worse than the median of the others after the same fraction of their length."""

    others: Count
    warmup: Share

    def should_stop(self, curves: Mapping[str, Curve], run: str) -> bool:
        ours = curves[run]
        others = [curve for name, curve in curves.items() if name != run and curve.reached(ours.share)]
        theirs = [curve.merit(ours.share) for curve in others]
        judged = len(theirs) >= self.others and ours.share >= self.warmup
        return judged and ours.merit(ours.share) < statistics.median(theirs)


@final
@dataclass(frozen=True)
class Patience(PruningRule):
    """Stops a run that no longer improves. The best run never stops, so that a sweep ends with a model."""

    evaluations: Count
    gain: NotNegative

    def should_stop(self, curves: Mapping[str, Curve], run: str) -> bool:
        merits = curves[run].merits
        leads = all(merits[-1] >= curve.merits[-1] for curve in curves.values())
        waited = len(merits) > self.evaluations
        return waited and not leads and not merits[-1] > merits[-1 - self.evaluations] + self.gain
