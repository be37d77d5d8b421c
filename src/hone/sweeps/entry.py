"""A line of a sweep's table: a cell, its run, and how that stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.sweeps.cell import Cell, Outcome

DONE = ("finished", "failed", "pruned", "impossible")


@final
@dataclass
class Entry:
    """Changes while the sweep goes on."""

    cell: Cell
    identity: str
    folder: Path
    outcome: Outcome
    here: bool = False
    """Whether this very command ran it."""
    stale: str | None = None
    """What has changed since it was finished."""

    @property
    def state(self) -> str:
        return self.outcome.state

    def story(self) -> dict[str, Any]:
        """For `sweep.json`."""
        return {
            "identity": self.identity,
            "number": self.cell.number,
            "words": list(self.cell.words),
            "values": self.cell.values,
            "state": self.state,
            "reason": self.outcome.reason,
            "value": self.outcome.value,
            "seconds": self.outcome.seconds,
            "folder": str(self.folder),
        }
