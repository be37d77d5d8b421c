"""The cells that a search has drawn and what came of them: `study.jsonl`, which several drivers may share.

    {"about": …}   {"cell": 0, "words": […], "driver": …}   {"cell": 0, "outcome": …}   {"cell": 0, "driver": …}

A cell is with the driver that was last to take it until its outcome is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, final

from hone.runs.json_lines import JsonLines, LockedLines, begin_or_require_same
from hone.runs.record import nan_to_null
from hone.runs.sweep_file import Cell, Outcome


@final
@dataclass(frozen=True)
class Proposal:
    """A cell that could be run, and what the sampler wants to remember of it."""

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
    """None while it is at work."""
    share: float = 0.0
    """How much of its run there was to see when it ended."""

    @property
    def value(self) -> float | None:
        """The number that is optimised, of a run that was finished or stopped."""
        return self.outcome.value if self.outcome and self.outcome.state in ("finished", "pruned") else None


@final
@dataclass(frozen=True)
class Study:
    """Says what the file says at this moment."""

    lines: JsonLines

    def open(self, about: Mapping[str, Any]) -> None:
        """A study goes on only as what it was begun as."""
        begin_or_require_same(self.lines, about)

    def trials(self) -> list[Trial]:
        """By their numbers."""
        found: dict[int, Trial] = {}
        for row in self.lines.rows():
            if "cell" in row:
                found[row["cell"]] = _after(row, found.get(row["cell"]))
        return [found[number] for number in sorted(found)]


def _after(row: Mapping[str, Any], trial: Trial | None) -> Trial:
    """A trial as a further line leaves it."""
    if trial is None:
        return Trial(Cell(row["cell"], tuple(row["words"])), row["memory"], row["driver"])
    if "outcome" in row:
        return replace(trial, outcome=Outcome(**row["outcome"]), share=row["share"])
    return replace(trial, outcome=None, driver=row["driver"])


def draw(draft: LockedLines, cell: Cell, memory: Mapping[str, Any], driver: str) -> None:
    """A new cell is at work."""
    draft.append({"cell": cell.number, "words": cell.words, "memory": dict(memory), "driver": driver})


def take(draft: LockedLines, cell: Cell, driver: str) -> None:
    """A cell is at work again."""
    draft.append({"cell": cell.number, "driver": driver})


def end(draft: LockedLines, cell: Cell, outcome: Outcome, share: float) -> None:
    """A cell is at work no more."""
    draft.append({"cell": cell.number, "outcome": nan_to_null(asdict(outcome)), "share": share})
