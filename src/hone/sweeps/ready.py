"""A run that could be started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from hone.config.job import Job
from hone.core.errors import UserError
from hone.runs.sweep_file import Cell
from hone.training.stage_cache import Recall


@final
@dataclass(frozen=True)
class Ready:
    """A cell's job, checked: the words that make it, what all of them remember, and what its process does."""

    words: tuple[str, ...]
    job: Job
    memory: Recall
    work: Callable[[], Mapping[str, Any]]

    @property
    def identity(self) -> str:
        return self.job.identity


@final
class Roster:
    """Makes each cell ready once; what cannot work stays a mistake."""

    def __init__(self, make: Callable[[Cell], Ready]) -> None:
        self.make = make
        self.made: dict[tuple[str, ...], Ready | UserError] = {}

    def ready(self, cell: Cell) -> Ready:
        """Raises UserError where a run of these words cannot work."""
        if cell.words not in self.made:
            try:
                self.made[cell.words] = self.make(cell)
            except UserError as error:
                self.made[cell.words] = error
        made = self.made[cell.words]
        if isinstance(made, UserError):
            raise made
        return made

    def refuse(self, cell: Cell, error: UserError) -> None:
        """What looked possible is not."""
        self.made[cell.words] = error

    def mistakes(self, cells: Sequence[Cell]) -> dict[Cell, UserError]:
        """What is wrong with which cell."""
        found = {}
        for cell in cells:
            try:
                self.ready(cell)
            except UserError as error:
                found[cell] = error
        return found
