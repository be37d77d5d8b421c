"""A search that draws its cells one by one, over a study that outlives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from hone.core.redact import redact_override
from hone.core.value_types import Rerun
from hone.runs.identity import has_effect
from hone.runs.sweep_file import Cell, Outcome
from hone.sweeps.curves import Reports
from hone.sweeps.driver import may_run_again
from hone.sweeps.ledger import Presence
from hone.sweeps.sampler import Aim, Search
from hone.sweeps.space import Space
from hone.sweeps.study import Proposal, Study, Trial, draw, end, take
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


Propose = Callable[[Sequence[Trial], int, int], Proposal]
"""Proposes a cell after these trials, for this number, at this attempt: it may be one that there has been."""

_ATTEMPTS = 10


@final
class Pursuit(Search):
    """First what was stopped and has its turn, what a dead driver left, what failed under an earlier one; then new.

    Every decision is made and written down while no other driver can make one.
    """

    def __init__(self, propose: Propose, total: int, space: Space, study: Study, turns: Turns, rerun: Rerun) -> None:
        self.propose, self.total, self.space = propose, total, space
        self.study, self.turns, self.rerun = study, turns, rerun
        self.presence = Presence(turns.folder)
        self.taken: set[int] = set()
        self.dry = False

    def listed(self) -> Sequence[Cell]:
        return [trial.cell for trial in self.study.trials()]

    def ask(self) -> Cell | None:
        with self.study.lines.locked() as draft:
            trials = self.study.trials()
            cell = self._again(trials)
            if cell is not None:
                take(draft, cell, self.presence.name)
            elif not self._drawn(trials) and (proposal := self._new(trials)) is not None:
                cell = Cell(len(trials), proposal.words)
                draw(draft, cell, proposal.memory, self.presence.name)
        self.taken |= {cell.number} if cell is not None else set()
        return cell

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        curve = Reports(self.turns.folder, self.turns.aim.higher_is_better).curves().get(outcome.identity or "")
        share = 1.0 if outcome.state == "finished" else curve.share if curve else 0.0
        with self.study.lines.locked() as draft:
            end(draft, cell, outcome, share)

    @property
    def over(self) -> bool:
        trials = self.study.trials()
        ours = [trial for trial in trials if trial.outcome is None and trial.driver == self.presence.name]
        return self._drawn(trials) and not ours and self._again(trials) is None

    def _drawn(self, trials: Sequence[Trial]) -> bool:
        return self.dry or len(trials) >= self.total

    def _again(self, trials: Sequence[Trial]) -> Cell | None:
        """A cell that there has been, and that is to go on."""
        ended = [(trial.cell, trial.outcome) for trial in trials if trial.outcome is not None and self._counts(trial)]
        last = self._drawn(trials) and len(ended) == len(trials)
        return self.turns.next(ended, last) or next((trial.cell for trial in trials if self._dropped(trial)), None)

    def _dropped(self, trial: Trial) -> bool:
        if trial.outcome is None:
            return not self.presence.alive(trial.driver)
        return may_run_again(trial.outcome.state, self.rerun) and trial.cell.number not in self.taken

    def _counts(self, trial: Trial) -> bool:
        """Whether a run that was stopped may go on; where all begin anew, only one that has done so."""
        return self.rerun != "all" or trial.cell.number in self.taken

    def _new(self, trials: Sequence[Trial]) -> Proposal | None:
        """A cell that there has not been; there may be none left."""
        seen = {trial.cell.words for trial in trials}
        for attempt in range(_ATTEMPTS):
            proposal = self.propose(trials, len(trials), attempt)
            if proposal.words not in seen:
                return proposal
        finite = all(axis.finite for axis in self.space.axes)
        left = (words for words in self.space.combinations() if words not in seen) if finite else iter(())
        words = next(left, None)
        self.dry = words is None
        return Proposal(words) if words is not None else None
