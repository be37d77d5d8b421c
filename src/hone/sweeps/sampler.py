"""The contracts of samplers and searches: a sampler begins a search, and a driver asks the search for cells."""

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
    """The metric to optimise, and its direction."""

    metric: str
    higher_is_better: bool


class Search(ABC):
    """A search in progress. Its driver may be killed at any time; a new one continues with the same folder."""

    @abstractmethod
    def known_cells(self) -> Sequence[Cell]:
        """Return the cells that are known before anything is asked for: those of a grid, or those drawn earlier."""

    @abstractmethod
    def ask(self) -> Cell | None:
        """Return the next cell to run, or None if there is none now (`over` says whether there will be one later).

        The same cell may come again later, to continue its run after it was stopped.
        """

    @abstractmethod
    def tell(self, cell: Cell, outcome: Outcome) -> None:
        """Report the outcome of a cell that was asked for, including one whose run had ended before."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether no further cell will come, whatever the outcomes of the running ones."""


class Sampler(ABC):
    """Chooses the cells of a sweep: `sweep.sampler` of a config."""

    def preview(self, space: Space) -> Sequence[Cell]:
        """Return cells that show every value, to be checked before anything starts."""
        return [Cell(number, words) for number, words in enumerate(space.specimens())]

    def certain_cells(self, space: Space, folder: Path) -> Sequence[Cell]:
        """Return the cells that are certain to be run, or were run, before the search of this folder continues."""
        return self.preview(space)

    def require_same_study(self, space: Space, aim: Aim, folder: Path) -> None:
        """Raise UserError if the folder holds another search, which this one cannot continue."""
        return

    @property
    def learns(self) -> bool:
        """Whether the outcomes of cells influence which cells are drawn next."""
        return False

    def total(self, space: Space) -> int:
        """Return the largest possible number of cells."""
        return len(self.preview(space))

    @abstractmethod
    def search(self, space: Space, aim: Aim, pruner: Pruner, folder: Path, rerun: Rerun) -> Search:
        """Begin the search of a space, or continue the one in the sweep's folder.

        Cells that may have to run again under `rerun` are asked for again; the driver decides about each of them.
        """
