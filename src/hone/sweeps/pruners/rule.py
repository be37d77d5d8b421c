"""Pruning by a rule that compares what the runs have reported."""

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
    """A pruner that is one rule. A run that it stops stays stopped, unless a subclass revives it."""

    @abstractmethod
    def should_stop(self, curves: Mapping[str, Curve], run: str) -> bool:
        """Whether a run stops at its last evaluation."""

    def require(self, evaluated: bool) -> None:
        if not evaluated:
            raise UserError(
                f"sweep/pruner={type(self).__name__.lower()}: runs are judged by their evaluations, and there is "
                "none before the end; set evaluate_every=10%, or sweep/pruner=never."
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
    """Applies a rule to one run. A run at its last step is never stopped."""

    rule: PruningRule
    reports: Reports
    run: str
    steps: int

    def stops(self, step: int, value: float) -> bool:
        self.reports.add(self.run, step, step / self.steps, value)
        return step < self.steps and self.rule.should_stop(self.reports.curves(), self.run)
