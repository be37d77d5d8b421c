"""The learning curves of the runs of a sweep: `reports.jsonl`, by which pruners compare runs."""

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
    """The evaluations of a run."""

    shares: tuple[float, ...]
    """The fraction of the run that was done at each evaluation, from 0 to 1."""
    merits: tuple[float, ...]
    """The best value up to each evaluation, signed so that higher is better. A value that is not finite is -inf."""

    @classmethod
    def of(cls, reports: Mapping[float, float]) -> Self:
        best, merits = -math.inf, []
        for share in sorted(reports):
            best = max(best, reports[share])
            merits.append(best)
        return cls(tuple(sorted(reports)), tuple(merits))

    @property
    def share(self) -> float:
        """The fraction of the run that is done."""
        return self.shares[-1]

    def reached(self, share: float) -> bool:
        return self.share >= share - _ROUNDING

    def merit(self, share: float) -> float:
        """Return the best value up to this fraction of the run."""
        place = bisect_right(self.shares, share + _ROUNDING)
        return self.merits[place - 1] if place else -math.inf

    def merit_on_arrival(self, share: float) -> float:
        """Return the best value up to the first evaluation at or after this fraction of the run."""
        return next(merit for at, merit in zip(self.shares, self.merits, strict=True) if at >= share - _ROUNDING)

    def newest(self, shares: Sequence[float]) -> float | None:
        """Return the largest of these fractions that the last evaluation was the first to reach."""
        before = self.shares[-2] if len(self.shares) > 1 else -math.inf
        passed = [share for share in shares if self.reached(share) and before < share - _ROUNDING]
        return max(passed, default=None)


@final
@dataclass(frozen=True)
class Reports:
    """Reads and writes `reports.jsonl` in a sweep's folder. Runs are named by their identities."""

    folder: Path
    higher_is_better: bool

    @property
    def lines(self) -> JsonLines:
        return JsonLines(self.folder / "reports.jsonl")

    def open(self, about: Mapping[str, Any]) -> None:
        """Begin the file, or raise UserError if it was begun for runs with other shared settings."""
        begin_or_require_same(self.lines, about)

    def add(self, run: str, step: int, share: float, value: float) -> None:
        self.lines.append({"run": run, "step": step, "share": share, "value": value if math.isfinite(value) else None})

    def curves(self) -> dict[str, Curve]:
        """Return the curve of each run.

        A run that went back to an earlier step, or began again, replaces its later reports.
        """
        merits: dict[str, dict[float, float]] = {}  # by run and share
        for row in self.lines.rows():
            if "run" in row:
                reports = merits.setdefault(row["run"], {})
                for share in [share for share in reports if share >= row["share"]]:
                    del reports[share]
                reports[row["share"]] = self._merit(row["value"])
        return {run: Curve.of(reports) for run, reports in merits.items()}

    def _merit(self, value: float | None) -> float:
        if value is None:
            return -math.inf
        return value if self.higher_is_better else -value
