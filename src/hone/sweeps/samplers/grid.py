"""Every combination of the values, the last axis changing fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import final

from hone.errors import UserError
from hone.sweeps.cell import Cell, Outcome
from hone.sweeps.pruners.base import Pruner
from hone.sweeps.samplers.base import Aim, Sampler, Search
from hone.sweeps.space import Choice, Space


@final
@dataclass(frozen=True)
class Grid(Sampler):
    """Needs lists of values."""

    def preview(self, space: Space) -> Sequence[Cell]:
        """All of them."""
        endless = [axis.key for axis in space.axes if not isinstance(axis, Choice)]
        if endless:
            raise UserError(
                f"{endless[0]}: a grid needs a list of values, and an interval has no end of them; "
                f"give some, such as {endless[0]}=1,2,3, or draw them: sweep=random, sweep=tpe."
            )
        words = product(*(axis.words for axis in space.axes if isinstance(axis, Choice)))
        return [Cell(number, combination) for number, combination in enumerate(words)]

    def search(self, space: Space, aim: Aim, pruner: Pruner, folder: Path) -> Search:
        return Walk(self.preview(space))


@final
class Walk(Search):
    """Cells known beforehand, one after the other."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self.asked = 0

    def listed(self) -> Sequence[Cell]:
        return self.cells

    def ask(self) -> Cell | None:
        if self.over:
            return None
        self.asked += 1
        return self.cells[self.asked - 1]

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        """Nothing depends on it."""

    @property
    def over(self) -> bool:
        return self.asked == len(self.cells)
