"""The contract of a tracker: a mirror of the journal for people to look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from hone.runs.folder import Folder
from hone.tracking.exhibits import Exhibit, Row, Table


@final
@dataclass(frozen=True)
class RunInfo:
    """What a tracker is told of a run when it begins or goes on."""

    id: str
    name: str
    group: str
    notes: str
    config: Mapping[str, Any]
    root: Path
    folder: Path
    job_type: str = "train"
    tracker: Mapping[str, Any] = field(default_factory=dict)
    """What this tracker said of itself when the run began, if it goes on."""


class Tracker(ABC):
    """A config's `tracker`. Nothing it does may end a run.

    What belongs to a step is told before the step's row of numbers."""

    examples: int = 0
    """How many rows of data it wants to see at an evaluation."""

    every_best: bool = False
    """Whether it keeps each model that was the best when it was evaluated."""

    def reserve(self) -> dict[str, Any]:
        """What a new run will be called there, to be stored before anybody is told of it."""
        return {}

    @abstractmethod
    def start(self, run: RunInfo) -> dict[str, Any] | None:
        """Opens the run; what comes back is stored in `run.json`."""

    @abstractmethod
    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """When a run goes on: the journal so far, of which some rows may not have arrived before the run stopped."""

    @abstractmethod
    def log(self, number: int, row: Mapping[str, Any]) -> None:
        """One line of the journal, and which one it is: what is told twice is to be seen once."""

    @abstractmethod
    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        """Something to look at, drawn or as a table of what would be in it."""

    def show(self, name: str, columns: Sequence[str], rows: Sequence[Row], step: int) -> None:
        """A table of data, best rows first, of which it takes as many as it wants."""
        if self.examples:
            self.exhibit(name, Table(columns, rows[: self.examples]), step)

    @abstractmethod
    def page(self, name: str, html: str) -> None:
        """A page to look at, complete in itself."""

    def uses(self, data: Mapping[str, Any]) -> None:
        """The data set of the run, which is only named: no row of it goes anywhere."""
        return

    def keep(self, folder: Folder) -> None:
        """What the run leaves, now that it has ended; it may be kept where others can get it."""
        return

    def candidate(self, folder: Folder, place: Folder, save: Callable[[Folder], None]) -> None:
        """A model of the run's that is the best so far; `save` writes it to a place of its own, when there is time."""
        return

    @abstractmethod
    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> bool:
        """Closes the run in this state with these last words; returns whether there is nothing left to send."""

    @abstractmethod
    def advice(self) -> str | None:
        """What to do to see the run."""
