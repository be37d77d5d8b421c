"""A run stops when it gets no better."""

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
    """Looks at nothing but the run itself."""

    evaluations: Count
    gain: NotNegative

    def condemns(self, curves: Mapping[str, Curve], run: str) -> bool:
        merits = curves[run].merits
        return len(merits) > self.evaluations and not merits[-1] > merits[-1 - self.evaluations] + self.gain
