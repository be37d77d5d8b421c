"""A run stops where most others were better."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from hone.sweeps.pruners.rule import Rule
from hone.sweeps.reports import Curve
from hone.types import Count, Share


@final
@dataclass(frozen=True)
class Median(Rule):
    """Compares the best so far with what others had reached as far on their way."""

    others: Count
    warmup: Share

    def condemns(self, curves: Mapping[str, Curve], run: str) -> bool:
        ours = curves[run]
        theirs = [each.merit(ours.share) for name, each in curves.items() if name != run and each.reached(ours.share)]
        judged = len(theirs) >= self.others and ours.share >= self.warmup
        return judged and ours.merit(ours.share) < statistics.median(theirs)
