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
    """Needs lists of values."""

    def preview(self, space: Space) -> Sequence[Cell]:
        """All of them."""
        for axis in space.axes:
            if not axis.finite:
                raise UserError(
                    f"{axis.name}: a grid needs a list of values, and an interval has no end of them; "
                    f"give some, such as {axis.key}=1,2,3, or draw them: sweep=random, sweep=tpe."
                )
        return [Cell(number, words) for number, words in enumerate(space.combinations())]

    def search(self, space: Space, aim: Aim, pruner: Pruner, folder: Path, rerun: Rerun) -> Search:
        turns = RevivalQueue(pruner, folder, aim)
        turns.open(space)
        return GridSearch(self.preview(space), turns)


@final
class GridSearch(Search):
    """Cells known beforehand, one after the other; those that were stopped get their turn first."""

    def __init__(self, cells: Sequence[Cell], turns: RevivalQueue) -> None:
        self.cells, self.turns = cells, turns
        self.asked = 0
        self.running: set[int] = set()
        self.ended: dict[int, tuple[Cell, Outcome]] = {}

    def known_cells(self) -> Sequence[Cell]:
        return self.cells

    def ask(self) -> Cell | None:
        cell = self._turn()
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
        return self.asked == len(self.cells) and not self.running and self._turn() is None

    def _turn(self) -> Cell | None:
        last = self.asked == len(self.cells) and not self.running
        return self.turns.next(self.ended.values(), last)
