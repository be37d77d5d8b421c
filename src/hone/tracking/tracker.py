"""The contract of a tracker, the tracker that does nothing, and several trackers at once."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

from hone.core.errors import UserError
from hone.runs.folder import Folder
from hone.tracking.exhibits import Exhibit, Files, Row, Table

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class RunInfo:
    """The facts about a run that a tracker gets when the run begins or goes on."""

    id: str
    name: str
    group: str
    notes: str
    config: Mapping[str, Any]
    root: Path
    folder: Path
    job_type: str = "train"


class Tracker(ABC):
    """The config's `tracker`. A tracker never ends a run, whatever goes wrong in it.

    Exhibits and examples of a step arrive before the step's row of numbers."""

    name: ClassVar[str] = ""
    """The name under which `memory` is stored. A tracker without a name stores nothing."""

    memory: Mapping[str, Any] = {}
    """The facts that the tracker needs to go on with this run later, such as the run's id on its server.

    `bookkeeping.TrackedRun` restores it before `reserve` and stores it in `run.json` after each call. The key `sent` is
    shared: a tracker sets it when its server has everything, and then nothing is sent again."""

    examples: int = 0
    """The number of data rows that the tracker shows at each evaluation."""

    every_best: bool = False
    """Whether the tracker keeps every model that was the best when it was evaluated."""

    @property
    def members(self) -> Sequence[Tracker]:
        """The trackers that have a memory of their own."""
        return [self]

    def reserve(self) -> None:
        """Choose the run's id on the server, if `memory` has none. It is stored before the server hears of the run."""
        return

    @abstractmethod
    def start(self, run: RunInfo) -> None:
        """Open the run, or reopen the one in `memory`."""

    @abstractmethod
    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the journal so far when a run is resumed or has gone back to an earlier step. Some rows may not have
        arrived before the run stopped."""

    @abstractmethod
    def log(self, number: int, row: Mapping[str, Any]) -> None:
        """Log one line of the journal and its line number. A line that comes twice must be shown once."""

    @abstractmethod
    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        """Show an exhibit: as a chart, or as the table behind it."""

    def show(self, name: str, columns: Sequence[str], rows: Sequence[Row], step: int) -> None:
        """Show the first rows of a table of data; the most interesting rows come first."""
        if self.examples:
            self.exhibit(name, Table(columns, rows[: self.examples]), step)

    def show_files(self, name: str, files: Files, step: int) -> None:
        """Show the pictures or sounds of the first examples; the most interesting ones come first."""
        if self.examples:
            self.exhibit(name, files.first(self.examples), step)

    @abstractmethod
    def page(self, name: str, html: str) -> None:
        """Show a self-contained HTML page."""

    def uses(self, data: Mapping[str, Any]) -> None:
        """Record which data set the run uses. None of its rows is sent."""
        return

    def keep(self, folder: Folder) -> None:
        """Store what the finished run leaves in its folder, if the tracker stores files."""
        return

    def candidate(self, folder: Folder, place: Folder, save: Callable[[Folder], None]) -> None:
        """Keep a model that is the best so far, if `every_best` asks for it; `save` writes it to `place`."""
        return

    @abstractmethod
    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> None:
        """Close the run with its final state and summary."""

    @abstractmethod
    def advice(self) -> str | None:
        """Return the address or the command that shows the run."""


@final
@dataclass(frozen=True)
class NoTracker(Tracker):
    """Tracks nothing. The journal is kept all the same."""

    def start(self, run: RunInfo) -> None: ...

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def log(self, number: int, row: Mapping[str, Any]) -> None: ...

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None: ...

    def page(self, name: str, html: str) -> None: ...

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> None: ...

    def advice(self) -> str | None:
        return None


@final
class Several(Tracker):
    """Several trackers by the names that the config gives them. One that fails does not affect the others."""

    def __init__(self, **trackers: Tracker | None) -> None:
        self.trackers = {name: tracker for name, tracker in trackers.items() if tracker is not None}
        for name, tracker in self.trackers.items():
            if not isinstance(tracker, Tracker):
                raise UserError(f"tracker.{name}: expected a tracker; add one with +tracker@tracker.{name}=….")
        self.every_best = any(tracker.every_best for tracker in self.trackers.values())
        self.examples = max((tracker.examples for tracker in self.trackers.values()), default=0)
        self._members = tuple(self.trackers.values())

    @property
    def members(self) -> Sequence[Tracker]:
        """All of them: one that has failed still has a run that can be synced."""
        return self._members

    def reserve(self) -> None:
        self._each(lambda tracker: tracker.reserve())

    def start(self, run: RunInfo) -> None:
        self._each(lambda tracker: tracker.start(run))

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._each(lambda tracker: tracker.catch_up(rows))

    def log(self, number: int, row: Mapping[str, Any]) -> None:
        self._each(lambda tracker: tracker.log(number, row))

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        self._each(lambda tracker: tracker.exhibit(name, exhibit, step))

    def show(self, name: str, columns: Sequence[str], rows: Sequence[Row], step: int) -> None:
        self._each(lambda tracker: tracker.show(name, columns, rows, step))

    def show_files(self, name: str, files: Files, step: int) -> None:
        self._each(lambda tracker: tracker.show_files(name, files, step))

    def page(self, name: str, html: str) -> None:
        self._each(lambda tracker: tracker.page(name, html))

    def uses(self, data: Mapping[str, Any]) -> None:
        self._each(lambda tracker: tracker.uses(data))

    def keep(self, folder: Folder) -> None:
        self._each(lambda tracker: tracker.keep(folder))

    def candidate(self, folder: Folder, place: Folder, save: Callable[[Folder], None]) -> None:
        self._each(lambda tracker: tracker.candidate(folder, place, save) if tracker.every_best else None)

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> None:
        self._each(lambda tracker: tracker.finish(state, exit_code, summary))

    def advice(self) -> str | None:
        lines = [tracker.advice() for tracker in self.trackers.values()]
        return "\n".join(line for line in lines if line) or None

    def _each(self, action: Callable[[Tracker], object]) -> None:
        """Call each tracker. Only a `UserError`, such as that of `required=true`, ends the run."""
        for name, tracker in list(self.trackers.items()):
            try:
                action(tracker)
            except UserError:
                raise
            except Exception as error:
                del self.trackers[name]
                log.warning("%s failed (%s) and is not used from here on.", type(tracker).__name__, error)


def guarded(tracker: Tracker) -> Tracker:
    """Wrap a tracker so that no failure in it ends the run."""
    return tracker if isinstance(tracker, Several | NoTracker) else Several(tracker=tracker)
