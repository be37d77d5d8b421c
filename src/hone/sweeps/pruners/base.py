"""The contract of pruning: a run reports its evaluations and hears whether to go on; a stopped one may get its turn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final


class Referee(ABC):
    """Inside a run: decides after each evaluation."""

    @abstractmethod
    def stops(self, step: int, value: float) -> bool:
        """Whether this run is not worth going on with for now."""


@final
@dataclass(frozen=True)
class Standing:
    """How the runs of a sweep stand, by their identities."""

    stopped: frozenset[str]
    """By their referees."""
    failed: frozenset[str]
    last: bool
    """Nothing is at work, and nothing new is to come."""


class Pruner(ABC):
    """A config's `sweep.pruner`."""

    @abstractmethod
    def require(self, evaluated: bool) -> None:
        """Raises UserError where it could judge nothing: whether every run is evaluated on its way."""

    @abstractmethod
    def open(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Before the first run: `about` is what all of them have in common."""

    @abstractmethod
    def referee(self, folder: Path, run: str, higher_is_better: bool, steps: int, evaluations: int) -> Referee:
        """For a run (called by its identity) of so many steps, with so many evaluations on the way, in whatever process
        it is; `folder` is the sweep's."""

    @abstractmethod
    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        """The stopped run that is to go on after all, if there is one by now."""
