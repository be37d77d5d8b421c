"""A search that draws its cells one by one and records each in a study, which outlives it."""

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
from hone.sweeps.ledger import DriverLock
from hone.sweeps.next_step import may_run_again
from hone.sweeps.sampler import Aim, Search
from hone.sweeps.space import Space
from hone.sweeps.study import Proposal, Study, Trial, record_draw, record_end, record_take
from hone.training.pruning import Pruner, Standing

_NOT_FAILED = ("finished", "pruned", "preempted", "interrupted")
_ATTEMPTS = 10
"""How often a sampler may propose a cell that was drawn before, until the search looks for a new one itself."""

Propose = Callable[[Sequence[Trial], int, int], Proposal]
"""Proposes a cell, given the trials so far, the number of the cell and the attempt. The cell may have been drawn
before; another attempt then proposes another one."""


def shared_settings(space: Space) -> dict[str, str]:
    """Return the overrides that all cells share, as far as they can change a result."""
    pairs = (redact_override(word).lstrip("+").partition("=") for word in space.fixed)
    return {key: value for key, _, value in pairs if has_effect(key)}


@final
@dataclass(frozen=True)
class RevivalQueue:
    """Asks the pruner which stopped run continues. Every kind of search uses it."""

    pruner: Pruner
    folder: Path
    aim: Aim

    def open(self, space: Space) -> None:
        """Open the pruner's reports, before the first cell."""
        self.pruner.open(self.folder, {"metric": self.aim.metric, "fixed": shared_settings(space)})

    def next(self, ended: Iterable[tuple[Cell, Outcome]], last: bool) -> Cell | None:
        """Return the cell of a stopped run that continues now. `last`: no run is active, and no new cell will come."""
        runs = {outcome.identity: (cell, outcome.state) for cell, outcome in ended if outcome.identity}
        stopped = frozenset(run for run, (_, state) in runs.items() if state == "pruned")
        failed = frozenset(run for run, (_, state) in runs.items() if state not in _NOT_FAILED)
        revived = self.pruner.revived(self.folder, self.aim.higher_is_better, Standing(stopped, failed, last))
        return replace(runs[revived][0], again=True) if revived else None


@final
class SampledSearch(Search):
    """Asks for cells in this order: stopped runs that continue, runs that a dead driver left, runs that failed under an
    earlier driver, new cells.

    Each decision is made and recorded under the lock of the study, so that no two drivers choose the same cell.
    """

    def __init__(
        self, propose: Propose, total: int, space: Space, study: Study, revivals: RevivalQueue, rerun: Rerun
    ) -> None:
        self.propose, self.total, self.space = propose, total, space
        self.study, self.revivals, self.rerun = study, revivals, rerun
        self.lock = DriverLock(revivals.folder)
        self.taken: set[int] = set()  # the numbers of the cells that this search has asked for
        self.exhausted = False  # whether a finite space has no cell left

    def known_cells(self) -> Sequence[Cell]:
        return [trial.cell for trial in self.study.trials()]

    def ask(self) -> Cell | None:
        with self.study.lines.locked() as draft:
            trials = self.study.trials()
            cell = self._old_cell(trials)
            if cell is not None:
                record_take(draft, cell, self.lock.name)
            elif not self._all_drawn(trials) and (proposal := self._new_cell(trials)) is not None:
                cell = Cell(len(trials), proposal.words)
                record_draw(draft, cell, proposal.memory, self.lock.name)
        if cell is not None:
            self.taken.add(cell.number)
        return cell

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        reports = Reports(self.revivals.folder, self.revivals.aim.higher_is_better)
        curve = reports.curves().get(outcome.identity or "")
        share = curve.share if curve else 0.0
        if outcome.state == "finished":
            share = 1.0
        with self.study.lines.locked() as draft:
            record_end(draft, cell, outcome, share)

    @property
    def over(self) -> bool:
        trials = self.study.trials()
        running = [trial for trial in trials if trial.outcome is None and trial.driver == self.lock.name]
        return self._all_drawn(trials) and not running and self._old_cell(trials) is None

    def _all_drawn(self, trials: Sequence[Trial]) -> bool:
        return self.exhausted or len(trials) >= self.total

    def _old_cell(self, trials: Sequence[Trial]) -> Cell | None:
        """Return a cell that was drawn before and continues, or runs again, now."""
        ended = [
            (trial.cell, trial.outcome) for trial in trials if trial.outcome is not None and self._may_revive(trial)
        ]
        last = self._all_drawn(trials) and len(ended) == len(trials)
        revived = self.revivals.next(ended, last)
        return revived or next((trial.cell for trial in trials if self._must_take_over(trial)), None)

    def _must_take_over(self, trial: Trial) -> bool:
        """Whether the driver of a trial is dead, or whether its run may have to run again."""
        if trial.outcome is None:
            return not self.lock.alive(trial.driver)
        return may_run_again(trial.outcome.state, self.rerun) and trial.cell.number not in self.taken

    def _may_revive(self, trial: Trial) -> bool:
        """Whether a stopped run may continue. Under `rerun=all` it must first have begun again."""
        return self.rerun != "all" or trial.cell.number in self.taken

    def _new_cell(self, trials: Sequence[Trial]) -> Proposal | None:
        """Return a cell that was not drawn before, or None if the space has none left."""
        seen = {trial.cell.words for trial in trials}
        for attempt in range(_ATTEMPTS):
            proposal = self.propose(trials, len(trials), attempt)
            if proposal.words not in seen:
                return proposal
        words = None
        if all(axis.finite for axis in self.space.axes):
            words = next((words for words in self.space.combinations() if words not in seen), None)
        self.exhausted = words is None
        return Proposal(words) if words is not None else None
