"""Which of the cells whose runs were stopped is asked for again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from hone.core.redact import redact_override
from hone.runs.identity import has_effect
from hone.runs.sweep_file import Cell, Outcome
from hone.sweeps.samplers.base import Aim
from hone.sweeps.space import Space
from hone.training.pruning import Pruner, Standing

_NO_FAILURE = ("finished", "pruned", "preempted", "interrupted")


@final
@dataclass(frozen=True)
class Turns:
    """Asks the pruner, for any kind of search."""

    pruner: Pruner
    folder: Path
    aim: Aim

    def open(self, space: Space) -> None:
        """Before the first cell."""
        self.pruner.open(self.folder, {"metric": self.aim.metric, "fixed": constants(space)})

    def next(self, ended: Iterable[tuple[Cell, Outcome]], last: bool) -> Cell | None:
        """`last`: nothing is at work, and nothing new is to come."""
        known = {outcome.identity: (cell, outcome.state) for cell, outcome in ended if outcome.identity}
        stopped = frozenset(run for run, (_, state) in known.items() if state == "pruned")
        failed = frozenset(run for run, (_, state) in known.items() if state not in _NO_FAILURE)
        found = self.pruner.revived(self.folder, self.aim.higher_is_better, Standing(stopped, failed, last))
        return replace(known[found][0], again=True) if found else None


def constants(space: Space) -> dict[str, str]:
    """What all cells share, as far as it can change a result."""
    pairs = (redact_override(word).lstrip("+").partition("=") for word in space.fixed)
    return {key: value for key, _, value in pairs if has_effect(key)}
