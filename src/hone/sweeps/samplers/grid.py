"""Every combination of the values, the last axis changing fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.core.errors import UserError
from hone.core.value_types import Rerun
from hone.runs.sweep_file import Cell, Outcome
from hone.sweeps.sampler import Aim, Sampler, Search
from hone.sweeps.search import RevivalQueue
from hone.sweeps.space import Space
from hone.training.pruning import Pruner


@final
@dataclass(frozen=True)
class Grid(Sampler):
    """Runs every combination. The space must consist of lists of values."""

    def preview(self, space: Space) -> Sequence[Cell]:
        """Return all cells."""
        for axis in space.axes:
            if not axis.finite:
                raise UserError(
                    f"{axis.name}: a grid needs a list of values, and an interval has infinitely many; list some, such "
                    f"as {axis.key}=1,2,3, or draw them: sweep=random, sweep=tpe."
                )
        return [Cell(number, words) for number, words in enumerate(space.combinations())]

    def search(self, space: Space, aim: Aim, pruner: Pruner, folder: Path, rerun: Rerun) -> Search:
        revivals = RevivalQueue(pruner, folder, aim)
        revivals.open(space)
        return GridSearch(self.preview(space), revivals)


@final
class GridSearch(Search):
    """Asks for the cells in their order, but for stopped runs that may continue first."""

    def __init__(self, cells: Sequence[Cell], revivals: RevivalQueue) -> None:
        self.cells, self.revivals = cells, revivals
        self.asked = 0  # cells that were asked for, not counting revived ones
        self.running: set[int] = set()
        self.ended: dict[int, tuple[Cell, Outcome]] = {}

    def known_cells(self) -> Sequence[Cell]:
        return self.cells

    def ask(self) -> Cell | None:
        cell = self._revived()
        if cell is None and self.asked < len(self.cells):
            cell = self.cells[self.asked]
            self.asked += 1
        if cell is not None:
            self.running.add(cell.number)
            self.ended.pop(cell.number, None)
        return cell

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        self.running.discard(cell.number)
        self.ended[cell.number] = (cell, outcome)

    @property
    def over(self) -> bool:
        return self._nothing_left() and self._revived() is None

    def _nothing_left(self) -> bool:
        """Whether no run is active and no new cell will come."""
        return self.asked == len(self.cells) and not self.running

    def _revived(self) -> Cell | None:
        """Return the cell of a stopped run that continues now."""
        return self.revivals.next(self.ended.values(), last=self._nothing_left())
