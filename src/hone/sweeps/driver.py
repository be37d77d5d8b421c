"""Drives a sweep: asks for cells, keeps the workers busy, writes down what came of each run."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Literal, final

from hone.core.errors import UserError
from hone.core.process import import_modules
from hone.core.value_types import Rerun
from hone.reports.page import write_page
from hone.runs.sweep_file import Cell, CellState, Outcome
from hone.sweeps.jobs import Ready, Roster
from hone.sweeps.ledger import Ledger, Story
from hone.sweeps.sampler import Search
from hone.sweeps.screen import Screen
from hone.sweeps.staleness import Staleness
from hone.sweeps.sweep import Budget
from hone.sweeps.workers import Workers

Fate = Literal["run", "resume", "again", "skip", "wait"]
"""`wait`: another command is at it."""


_SETTLED: dict[Rerun, frozenset[str]] = {
    "failed": frozenset({"finished", "pruned"}),
    "stale": frozenset({"finished", "pruned"}),
    "nothing": frozenset({"finished", "pruned", "failed"}),
    "all": frozenset(),
}
"""The states in which a run stays, by `sweep.rerun`. This is the only such list."""


def settled(rerun: Rerun) -> frozenset[str]:
    """Return the states in which a run stays, unless it is stale and `rerun` is `stale`."""
    return _SETTLED[rerun]


def may_run_again(state: str, rerun: Rerun) -> bool:
    """Whether a search must ask for a cell again. Only the driver can say whether a finished run is stale."""
    return state not in settled(rerun) or rerun == "stale"


def fate(known: Outcome | None, rerun: Rerun, stale: bool) -> Fate:
    """`known` is how the run stands, if there is one; `stale`: it would come out another one today."""
    if known is None:
        return "run"
    if known.state == "running":
        return "wait"
    renewed = rerun == "stale" and stale and known.state == "finished"
    if known.state in settled(rerun) and not renewed:
        return "skip"
    return "resume" if known.state in ("interrupted", "preempted") and rerun != "all" else "again"


_ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)
_PAUSE = 0.5
_PAGE_EVERY = 10.0


@final
class Driver:
    """May be killed at any time: the next one finds all in the runs' own records."""

    def __init__(
        self, search: Search, roster: Roster, ledger: Ledger, pool: Workers, screen: Screen, story: Story
    ) -> None:
        self.search, self.roster, self.ledger, self.pool = search, roster, ledger, pool
        self.screen, self.story = screen, story
        self.staleness = Staleness()
        self.entries: dict[str, CellState] = {}
        self.elsewhere: set[str] = set()
        self.asked: int | None = None
        self.begun = self.drawn = time.monotonic()

    def run(self, total: int, budget: Budget, rerun: Rerun) -> None:
        """Until nothing is left, or somebody asks to stop."""
        self.budget, self.rerun = budget, rerun
        self._recall()
        with self._listening(), self._closing():
            while self._starts() or self.pool.working or self.elsewhere:
                self._show(total)
                self._wait()

    def _wait(self) -> None:
        """Wait a moment and deal with the runs that have ended, here or elsewhere."""
        for identity, words, seconds in self.pool.wait(_PAUSE):
            self._end(self.entries[identity], words, seconds)
        for identity in sorted(self.elsewhere):
            self._look_at(identity)

    def _recall(self) -> None:
        """What came of the cells of earlier commands: a search that draws them may not ask for them again."""
        for cell in self.search.listed():
            with suppress(UserError):
                identity = self.roster.ready(cell).identity
                known = self.ledger.outcome(identity)
                if known is not None:
                    self.entries[identity] = CellState(cell, identity, self.ledger.folder / identity, known)

    def _starts(self) -> bool:
        """Whether anything may still come, after all free places have been filled."""
        while self.pool.free and not self._enough():
            cell = self.search.ask()
            if cell is None:
                return not self.search.over
            self._begin(cell)
        return bool(self.pool.working) and not self._enough()

    def _enough(self) -> bool:
        ours = [entry for entry in self.entries.values() if entry.ran_now]
        steps = sum(entry.outcome.steps or 0 for entry in ours)
        return self.asked is not None or self.budget.spent(len(ours), time.monotonic() - self.begun, steps)

    def _begin(self, cell: Cell) -> None:
        """Starts the run of a cell, unless that is done, or being done by somebody else."""
        try:
            ready = self.roster.ready(cell)
        except UserError as error:
            entry = CellState(cell, f"impossible-{cell.number}", self.ledger.folder, Outcome("impossible", str(error)))
            self.entries[entry.identity] = entry
            self.search.tell(cell, entry.outcome)
            return
        known = self.ledger.outcome(ready.identity)
        entry = CellState(cell, ready.identity, self.ledger.folder / ready.identity, known or Outcome("waiting"))
        self.entries[ready.identity] = entry
        if entry.state == "running":
            self.elsewhere.add(ready.identity)
        elif entry.state in settled(self.rerun) and not cell.again and not self._renewed(entry, ready):
            self.search.tell(cell, entry.outcome)
        else:
            self._start(entry, ready)

    def _renewed(self, entry: CellState, ready: Ready) -> bool:
        """Whether a run is made again because it would not come out the same today."""
        if entry.state == "finished":
            entry.stale = self.staleness.reason(ready.job, entry.folder)
        return self.rerun == "stale" and entry.stale is not None

    def _start(self, entry: CellState, ready: Ready) -> None:
        if not entry.ran_now and not entry.cell.again and (self.rerun == "all" or entry.stale):
            self.ledger.set_aside(entry.identity)
            entry.stale = None
        entry.ran_now, entry.outcome = True, Outcome("running")
        logs = self.ledger.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.pool.start(entry.identity, ready, logs / f"{entry.identity}.txt")

    def _end(self, entry: CellState, words: Mapping[str, Any], seconds: float) -> None:
        import_modules(words.get("modules", ()))
        known = self.ledger.outcome(entry.identity)
        if known is not None and known.state == "running":  # another driver was quicker
            self.elsewhere.add(entry.identity)
            return
        value = known.value if known else None
        said = Outcome(words["state"], words.get("reason"), value, round(seconds, 2), identity=entry.identity)
        if known is None or said.state == "failed" != known.state:
            entry.outcome = said
            self.ledger.close(entry.identity, said)
        else:
            entry.outcome = known
        self._ended(entry)

    def _ended(self, entry: CellState) -> None:
        self.search.tell(entry.cell, entry.outcome)
        self.screen.ended(entry)
        self.story.write(self.entries.values(), "running")
        if time.monotonic() - self.drawn > _PAGE_EVERY:
            self.drawn = time.monotonic()
            write_page(self.story.folder)

    def _look_at(self, identity: str) -> None:
        """A run of another driver: this one learns of its end, and goes on with it where the other has dropped it."""
        entry, outcome = self.entries[identity], self.ledger.outcome(identity)
        if outcome is None or outcome.state == "running":
            return
        dropped = outcome.state in ("interrupted", "preempted")
        if dropped and self.asked is None and not self.pool.free:
            return
        self.elsewhere.discard(identity)
        if not dropped:
            entry.outcome = outcome
            self._ended(entry)
        elif self.asked is None:
            self._start(entry, self.roster.ready(entry.cell))

    def _show(self, total: int) -> None:
        self.screen.show(self.entries.values(), self.pool.working, max(total, len(self.entries)))

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """When this closes no run is left at work, and the screen is free."""
        try:
            yield
        finally:
            self.pool.end_all()
            self.screen.close()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """While this is open, being asked to stop means: start nothing more, and let the runs save themselves."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self.asked is not None:
                self.pool.ask_all(signal.SIGKILL)
            self.asked = self.asked or number
            self.pool.ask_all(signal.SIGTERM)
            self.elsewhere.clear()

        before: dict[int, Any] = {number: signal.signal(number, ask) for number in _ASKING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
