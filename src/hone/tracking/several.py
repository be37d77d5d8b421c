"""Several trackers at once: each is told everything, and one that fails harms no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from hone.errors import UserError
from hone.runs.folder import Folder
from hone.tracking.base import RunInfo, Tracker
from hone.tracking.exhibits import Exhibit, Row
from hone.tracking.none import NoTracker

log = logging.getLogger(__name__)


@final
class Several(Tracker):
    """By the names that the config gives them; one that is null is none."""

    def __init__(self, **trackers: Tracker | None) -> None:
        self.trackers = {name: tracker for name, tracker in trackers.items() if tracker is not None}
        for name, tracker in self.trackers.items():
            if not isinstance(tracker, Tracker):
                raise UserError(f"tracker.{name}: expected a tracker; add one with +tracker@tracker.{name}=….")
        self.every_best = any(tracker.every_best for tracker in self.trackers.values())
        self.examples = max((tracker.examples for tracker in self.trackers.values()), default=0)

    def reserve(self) -> dict[str, Any]:
        return next((name for name in self._tell(lambda tracker: tracker.reserve()) if name), {})

    def start(self, run: RunInfo) -> dict[str, Any] | None:
        """What `run.json` stores is W&B's: no other has anything to remember."""
        return next((about for about in self._tell(lambda tracker: tracker.start(run)) if about is not None), None)

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._tell(lambda tracker: tracker.catch_up(rows))

    def log(self, number: int, row: Mapping[str, Any]) -> None:
        self._tell(lambda tracker: tracker.log(number, row))

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        self._tell(lambda tracker: tracker.exhibit(name, exhibit, step))

    def show(self, name: str, columns: Sequence[str], rows: Sequence[Row], step: int) -> None:
        self._tell(lambda tracker: tracker.show(name, columns, rows, step))

    def page(self, name: str, html: str) -> None:
        self._tell(lambda tracker: tracker.page(name, html))

    def uses(self, data: Mapping[str, Any]) -> None:
        self._tell(lambda tracker: tracker.uses(data))

    def keep(self, folder: Folder) -> None:
        self._tell(lambda tracker: tracker.keep(folder))

    def candidate(self, folder: Folder, place: Folder, save: Callable[[Folder], None]) -> None:
        self._tell(lambda tracker: tracker.candidate(folder, place, save) if tracker.every_best else None)

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> bool:
        return any(self._tell(lambda tracker: tracker.finish(state, exit_code, summary)))

    def advice(self) -> str | None:
        said = [tracker.advice() for tracker in self.trackers.values()]
        return "\n".join(each for each in said if each) or None

    def _tell(self, action: Callable[[Tracker], Any]) -> list[Any]:
        return [self._safely(name, action) for name in list(self.trackers)]

    def _safely(self, name: str, action: Callable[[Tracker], Any]) -> Any:
        """Only the user's own demand, such as `required=true`, gets through."""
        try:
            return action(self.trackers[name])
        except UserError:
            raise
        except Exception as error:
            log.warning("%s fails (%s) and is left alone from here on.", type(self.trackers.pop(name)).__name__, error)
            return None


def guarded(tracker: Tracker) -> Tracker:
    """A tracker that ends no run, whatever happens in it."""
    return tracker if isinstance(tracker, Several | NoTracker) else Several(tracker=tracker)
