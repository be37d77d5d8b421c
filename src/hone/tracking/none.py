"""The tracker that tracks nothing; the journal is kept all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from hone.runs.folder import Folder
from hone.tracking.base import RunInfo, Tracker


@final
@dataclass(frozen=True)
class NoTracker(Tracker):
    """The null twin of the others."""

    def start(self, run: RunInfo) -> dict[str, Any] | None:
        return None

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def log(self, number: int, row: Mapping[str, Any]) -> None: ...

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None: ...

    def page(self, name: str, html: str) -> None: ...

    def uses(self, data: Mapping[str, Any]) -> None: ...

    def keep(self, folder: Folder) -> None: ...

    def candidate(self, folder: Folder, place: Folder, save: Callable[[Folder], None]) -> None: ...

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> bool:
        return False

    def advice(self) -> str | None:
        return None
