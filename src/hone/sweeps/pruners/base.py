"""The contract of pruning: a run reports its evaluations, and hears whether to go on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path


class Referee(ABC):
    """Inside a run: decides after each evaluation."""

    @abstractmethod
    def stops(self, step: int, value: float) -> bool:
        """Whether this run is not worth going on with for now."""


class Pruner(ABC):
    """A config's `sweep.pruner`."""

    @abstractmethod
    def referee(self, folder: Path, number: int, higher_is_better: bool) -> Referee:
        """For the run of a cell, in whatever process it is; `folder` is the sweep's."""
