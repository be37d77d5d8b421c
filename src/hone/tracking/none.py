"""The tracker that tracks nothing; the journal is kept all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from hone.tracking.base import RunInfo, Tracker
from hone.tracking.exhibits import Exhibit


@final
@dataclass(frozen=True)
class NoTracker(Tracker):
    """The null twin of the others."""

    def start(self, run: RunInfo) -> dict[str, Any] | None:
        return None

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def log(self, number: int, row: Mapping[str, Any]) -> None: ...

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None: ...

    def page(self, name: str, html: str) -> None: ...

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> bool:
        return False

    def advice(self) -> str | None:
        return None
