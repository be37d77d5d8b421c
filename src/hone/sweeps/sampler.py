"""The contract of searching: cells are asked for one at a time, and what came of each is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.core.value_types import Rerun
from hone.runs.sweep_file import Cell, Outcome
from hone.sweeps.space import Space
from hone.training.pruning import Pruner


@final
@dataclass(frozen=True)
class Aim:
    """The number to optimise."""

    metric: str
    higher_is_better: bool


class Search(ABC):
    """A search under way; whoever drives it may be killed at any time and begin anew over the same folder."""

    @abstractmethod
    def known_cells(self) -> Sequence[Cell]:
        """The cells that are known beforehand: all of them where the space is finite and nothing is drawn."""

    @abstractmethod
    def ask(self) -> Cell | None:
        """The next cell to run; None: none at present, or none any more. A cell may be asked for again later, to go on
        with its run where that was stopped."""

    @abstractmethod
    def tell(self, cell: Cell, outcome: Outcome) -> None:
        """What came of a cell that was asked for; of one that had ended already too, if that is found out now."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether nothing will be asked any more, whatever the running cells say."""


class Sampler(ABC):
    """A config's `sweep.sampler`."""

    def preview(self, space: Space) -> Sequence[Cell]:
        """Cells that show every value, to be checked before anything starts."""
        return [Cell(number, words) for number, words in enumerate(space.specimens())]

    def certain_cells(self, space: Space, folder: Path) -> Sequence[Cell]:
        """The cells that are certain to be run, or were, before a search of that folder goes on."""
        return self.preview(space)

    def require_same_study(self, space: Space, aim: Aim, folder: Path) -> None:
        """Raises UserError where the folder has another search, which this one could not go on with."""
        return

    @property
    def learns(self) -> bool:
        """Whether what comes of a cell says something about which is to be drawn next."""
        return False

    def total(self, space: Space) -> int:
        """How many cells there will be, at most."""
        return len(self.preview(space))

    @abstractmethod
    def search(self, space: Space, aim: Aim, pruner: Pruner, folder: Path, rerun: Rerun) -> Search:
        """The search of a space, to be gone on with if the sweep's folder already has one. Cells that may have to run
        once more, as `rerun` has it, are asked for once more: whoever drives it knows how their runs stand."""
