"""What the runs of a sweep have said of themselves on their way, to be compared with each other."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

from hone.runs.json_lines import JsonLines, begin_or_require_same

_ROUNDING = 1e-9


@final
@dataclass(frozen=True)
class Curve:
    """A run's evaluations: how much of it was done (from 0 to 1), and how good it had been until then at best."""

    shares: tuple[float, ...]
    merits: tuple[float, ...]
    """More is better, whatever the metric; no number at all is worse than any."""

    @classmethod
    def of(cls, reports: Mapping[float, float]) -> Self:
        best, merits = -math.inf, []
        for share in sorted(reports):
            best = max(best, reports[share])
            merits.append(best)
        return cls(tuple(sorted(reports)), tuple(merits))

    @property
    def share(self) -> float:
        """How far it is."""
        return self.shares[-1]

    def reached(self, share: float) -> bool:
        return self.share >= share - _ROUNDING

    def merit(self, share: float) -> float:
        """The best by then."""
        place = bisect_right(self.shares, share + _ROUNDING)
        return self.merits[place - 1] if place else -math.inf

    def merit_on_arrival(self, share: float) -> float:
        """The best by the first evaluation at or after that share."""
        return next(merit for at, merit in zip(self.shares, self.merits, strict=True) if at >= share - _ROUNDING)

    def newest(self, shares: Sequence[float]) -> float | None:
        """The furthest of these that the last evaluation was the first to reach."""
        before = self.shares[-2] if len(self.shares) > 1 else -math.inf
        passed = [share for share in shares if self.reached(share) and before < share - _ROUNDING]
        return max(passed, default=None)


@final
@dataclass(frozen=True)
class Reports:
    """`reports.jsonl` in a sweep's folder; runs are called by their identity."""

    folder: Path
    higher_is_better: bool

    @property
    def lines(self) -> JsonLines:
        return JsonLines(self.folder / "reports.jsonl")

    def open(self, about: Mapping[str, Any]) -> None:
        """Runs are compared with those that had the same in common."""
        begin_or_require_same(self.lines, about)

    def add(self, run: str, step: int, share: float, value: float) -> None:
        self.lines.append({"run": run, "step": step, "share": share, "value": value if math.isfinite(value) else None})

    def curves(self) -> dict[str, Curve]:
        """Every run's; one that was taken back to an earlier step, or begun anew, has unsaid what came later."""
        found: dict[str, dict[float, float]] = {}
        for row in self.lines.rows():
            if "run" in row:
                reports = found.setdefault(row["run"], {})
                for share in [share for share in reports if share >= row["share"]]:
                    del reports[share]
                reports[row["share"]] = self._merit(row["value"])
        return {run: Curve.of(reports) for run, reports in found.items()}

    def _merit(self, value: float | None) -> float:
        if value is None:
            return -math.inf
        return value if self.higher_is_better else -value
