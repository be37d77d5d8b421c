"""The cells that a search has drawn, and their outcomes: `study.jsonl`, which several drivers may share.

    {"about": …}   {"cell": 0, "words": […], "driver": …}   {"cell": 0, "outcome": …}   {"cell": 0, "driver": …}

A cell belongs to the driver that took it last, until its outcome is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, final

from hone.core.errors import damaged, one_line
from hone.runs.json_lines import JsonLines, LockedLines, begin_or_require_same
from hone.runs.record import nan_to_null
from hone.runs.sweep_file import Cell, Outcome


@final
@dataclass(frozen=True)
class Proposal:
    """The words of a cell that could be run, and what the sampler stores with it."""

    words: tuple[str, ...]
    memory: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Trial:
    """A cell that has been drawn."""

    cell: Cell
    memory: Mapping[str, Any]
    driver: str
    outcome: Outcome | None = None
    """None while the cell is running."""
    share: float = 0.0
    """The fraction of its run that had been evaluated when it ended."""

    @property
    def value(self) -> float | None:
        """The value to optimise, if the run has finished or was pruned."""
        return self.outcome.value if self.outcome and self.outcome.state in ("finished", "pruned") else None


@final
@dataclass(frozen=True)
class Study:
    """Reads the file anew at each call, because other drivers add lines to it."""

    lines: JsonLines

    def open(self, about: Mapping[str, Any]) -> None:
        """Begin the study, or continue it; raise UserError if it was begun with other settings."""
        begin_or_require_same(self.lines, about)

    def trials(self) -> list[Trial]:
        """Return the trials in the order of their numbers."""
        trials: dict[int, Trial] = {}
        for number, row in enumerate(self.lines.rows(), start=1):
            if "cell" in row:
                try:
                    trials[row["cell"]] = _update(trials.get(row["cell"]), row)
                except (LookupError, TypeError) as error:
                    raise damaged(f"{self.lines.path}, line {number}", one_line(error)) from error
        return [trials[number] for number in sorted(trials)]


def _update(trial: Trial | None, row: Mapping[str, Any]) -> Trial:
    """Return a trial as one more line changes it."""
    if trial is None:
        return Trial(Cell(row["cell"], tuple(row["words"])), row["memory"], row["driver"])
    if "outcome" in row:
        return replace(trial, outcome=Outcome(**row["outcome"]), share=row["share"])
    return replace(trial, outcome=None, driver=row["driver"])


def record_draw(draft: LockedLines, cell: Cell, memory: Mapping[str, Any], driver: str) -> None:
    """Record that a driver runs a new cell."""
    draft.append({"cell": cell.number, "words": cell.words, "memory": dict(memory), "driver": driver})


def record_take(draft: LockedLines, cell: Cell, driver: str) -> None:
    """Record that a driver runs a cell again."""
    draft.append({"cell": cell.number, "driver": driver})


def record_end(draft: LockedLines, cell: Cell, outcome: Outcome, share: float) -> None:
    """Record the outcome of a cell."""
    draft.append({"cell": cell.number, "outcome": nan_to_null(asdict(outcome)), "share": share})
