"""The driver of a sweep: it asks for cells, keeps the workers busy and records how each run ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, final

from hone.core.errors import UserError
from hone.core.process import import_modules
from hone.core.signals import handled_by
from hone.core.value_types import Rerun
from hone.reports.page import write_page
from hone.runs.sweep_file import Cell, CellState, Outcome
from hone.sweeps.jobs import Ready, Roster
from hone.sweeps.ledger import Ledger, SweepFile
from hone.sweeps.next_step import settled
from hone.sweeps.sampler import Search
from hone.sweeps.screen import Screen
from hone.sweeps.staleness import Staleness
from hone.sweeps.sweep import Budget
from hone.sweeps.workers import Workers

_WAIT = 0.5
"""Seconds between two looks at the runs."""
_PAGE_EVERY = 10.0
"""Seconds between two versions of the report."""


@final
class Driver:
    """Runs the cells of a search. It may be killed at any time: the next driver reads the records of its runs."""

    def __init__(
        self,
        search: Search,
        roster: Roster,
        ledger: Ledger,
        workers: Workers,
        screen: Screen,
        sweep_file: SweepFile,
    ) -> None:
        self.search, self.roster, self.ledger, self.workers = search, roster, ledger, workers
        self.screen, self.sweep_file = screen, sweep_file
        self.staleness = Staleness()
        self.entries: dict[str, CellState] = {}  # by identity
        self.elsewhere: set[str] = set()  # identities of runs that another driver is running
        self.stopped_by: int | None = None  # the first signal that asked the sweep to stop
        self.begun = self.page_written = time.monotonic()

    def run(self, total: int, budget: Budget, rerun: Rerun) -> None:
        """Run cells until none is left or a signal asks the sweep to stop."""
        self.budget, self.rerun = budget, rerun
        self._recall()
        with self._stopping_on_signals(), self._closing():
            while self._start_runs() or self.workers.working or self.elsewhere:
                self._show(total)
                self._wait()

    def _wait(self) -> None:
        """Wait a moment, then handle the runs that have ended, here or under another driver."""
        for identity, result, seconds in self.workers.wait(_WAIT):
            self._end(self.entries[identity], result, seconds)
        for identity in sorted(self.elsewhere):
            self._check_elsewhere(identity)

    def _recall(self) -> None:
        """Load the outcomes of earlier commands, because a search that draws cells may not ask for these again."""
        for cell in self.search.known_cells():
            with suppress(UserError):
                identity = self.roster.ready(cell).identity
                outcome = self.ledger.outcome(identity)
                if outcome is not None:
                    self.entries[identity] = CellState(cell, identity, self.ledger.folder / identity, outcome)

    def _start_runs(self) -> bool:
        """Start runs while workers are free; return whether more runs may follow."""
        while self.workers.free and not self._must_stop():
            cell = self.search.ask()
            if cell is None:
                return not self.search.over
            self._begin(cell)
        return bool(self.workers.working) and not self._must_stop()

    def _must_stop(self) -> bool:
        """Whether no more runs may start: the budget is spent, or a signal has come."""
        ours = [entry for entry in self.entries.values() if entry.ran_now]
        steps = sum(entry.outcome.steps or 0 for entry in ours)
        return self.stopped_by is not None or self.budget.spent(len(ours), time.monotonic() - self.begun, steps)

    def _begin(self, cell: Cell) -> None:
        """Start the run of a cell, unless it is done or another driver is running it."""
        try:
            ready = self.roster.ready(cell)
        except UserError as error:
            entry = CellState(cell, f"impossible-{cell.number}", self.ledger.folder, Outcome("impossible", str(error)))
            self.entries[entry.identity] = entry
            self.search.tell(cell, entry.outcome)
            return
        outcome = self.ledger.outcome(ready.identity) or Outcome("waiting")
        entry = CellState(cell, ready.identity, self.ledger.folder / ready.identity, outcome)
        self.entries[ready.identity] = entry
        if entry.state == "running":
            self.elsewhere.add(ready.identity)
        elif entry.state in settled(self.rerun) and not cell.again and not self._must_renew(entry, ready):
            self.search.tell(cell, entry.outcome)
        else:
            self._start(entry, ready)

    def _must_renew(self, entry: CellState, ready: Ready) -> bool:
        """Whether a finished run is repeated because its result would be another one today."""
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
        self.workers.start(entry.identity, ready, logs / f"{entry.identity}.txt")

    def _end(self, entry: CellState, result: Mapping[str, Any], seconds: float) -> None:
        """Handle the end of a run. Its own record counts, unless its process failed without recording that."""
        import_modules(result.get("modules", ()))  # what this run had to import, later runs inherit
        recorded = self.ledger.outcome(entry.identity)
        if recorded is not None and recorded.state == "running":  # another driver has started it first
            self.elsewhere.add(entry.identity)
            return
        if recorded is None or (result["state"] == "failed" and recorded.state != "failed"):
            value = recorded.value if recorded else None
            reason, took = result.get("reason"), round(seconds, 2)
            entry.outcome = Outcome(result["state"], reason, value, took, identity=entry.identity)
            self.ledger.close(entry.identity, entry.outcome)
        else:
            entry.outcome = recorded
        self._publish(entry)

    def _publish(self, entry: CellState) -> None:
        """Pass the outcome of a run on to the search, the screen, the sweep's file and the report."""
        self.search.tell(entry.cell, entry.outcome)
        self.screen.report_end(entry)
        self.sweep_file.write(self.entries.values(), "running")
        if time.monotonic() - self.page_written > _PAGE_EVERY:
            self.page_written = time.monotonic()
            write_page(self.sweep_file.folder)

    def _check_elsewhere(self, identity: str) -> None:
        """Check on a run of another driver: report its end, or take it over if the other driver has dropped it."""
        entry, outcome = self.entries[identity], self.ledger.outcome(identity)
        if outcome is None or outcome.state == "running":
            return
        dropped = outcome.state in ("interrupted", "preempted")
        if dropped and self.stopped_by is None and not self.workers.free:
            return  # take it over later, when a worker is free
        self.elsewhere.discard(identity)
        if not dropped:
            entry.outcome = outcome
            self._publish(entry)
        elif self.stopped_by is None:
            self._start(entry, self.roster.ready(entry.cell))

    def _show(self, total: int) -> None:
        self.screen.show(self.entries.values(), self.workers.working, max(total, len(self.entries)))

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """End all runs and free the screen on exit."""
        try:
            yield
        finally:
            self.workers.kill_all()
            self.screen.close()

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        """While this is open, a stop signal starts no more runs and lets the active ones save themselves.

        A second signal kills them.
        """

        def stop(number: int, frame: FrameType | None) -> None:
            if self.stopped_by is not None:
                self.workers.signal_all(signal.SIGKILL)
            self.stopped_by = self.stopped_by or number
            self.workers.signal_all(signal.SIGTERM)
            self.elsewhere.clear()

        with handled_by(stop):
            yield
