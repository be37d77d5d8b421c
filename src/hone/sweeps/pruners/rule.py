"""Pruning by comparing what runs have reported: a pruner of this kind is one rule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError
from hone.sweeps.curves import Curve, Reports
from hone.training.pruning import Pruner, Referee, Standing


class PruningRule(Pruner):
    """What it stops stays stopped, unless `revived` says otherwise."""

    @abstractmethod
    def should_stop(self, curves: Mapping[str, Curve], run: str) -> bool:
        """Whether the run stops here, at its last evaluation."""

    def require(self, evaluated: bool) -> None:
        if not evaluated:
            raise UserError(
                f"sweep/pruner={type(self).__name__.lower()}: runs are judged by the evaluations on the way, and there "
                "is none before the end; say evaluate_every=10%, or sweep/pruner=never."
            )

    def open(self, folder: Path, about: Mapping[str, Any]) -> None:
        Reports(folder, higher_is_better=True).open(about)

    def referee(self, folder: Path, run: str, higher_is_better: bool, steps: int, evaluations: int) -> Referee:
        self.require(evaluations > 0)
        return RuleReferee(self, Reports(folder, higher_is_better), run, steps)

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        return None


@final
@dataclass(frozen=True)
class RuleReferee(Referee):
    """Applies a rule to a run; one that has come to its end is let through."""

    rule: PruningRule
    reports: Reports
    run: str
    steps: int

    def stops(self, step: int, value: float) -> bool:
        self.reports.add(self.run, step, step / self.steps, value)
        return step < self.steps and self.rule.should_stop(self.reports.curves(), self.run)
