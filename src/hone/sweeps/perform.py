"""The rest of a sweep: the search, the runs, the choice, the last screen."""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from hone.build import build
from hone.comparison.collection import of_sweep
from hone.comparison.report import PAGE, write_report
from hone.comparison.sweep import read_sweep
from hone.errors import HoneError, Interrupted, Preempted, UserError
from hone.job import Invocation
from hone.sweeps.budget import Budget
from hone.sweeps.cell import Cell
from hone.sweeps.chosen import test_scores
from hone.sweeps.driver import Driver
from hone.sweeps.entry import Entry
from hone.sweeps.impossible import require_possible
from hone.sweeps.launchers.distant import Distant
from hone.sweeps.ledger import Ledger
from hone.sweeps.mirror import mirror
from hone.sweeps.places import places
from hone.sweeps.pool import Pool
from hone.sweeps.ready import Ready, Roster
from hone.sweeps.samplers.base import Aim
from hone.sweeps.saved import stored_by_tracker
from hone.sweeps.scout import scout
from hone.sweeps.screen import screen
from hone.sweeps.space import Space
from hone.sweeps.stock import stock
from hone.sweeps.story import Story
from hone.sweeps.sweep import Sweep
from hone.sweeps.table import final_screen
from hone.sweeps.workers import Workers
from hone.tracking.bookkeeping import Stored, TrackedRun, incomplete
from hone.tracking.tracker import Tracker, guarded
from hone.tracking.wandb.client import agent_ignored


def perform(
    sweep: Sweep,
    space: Space,
    roster: Roster,
    possible: Mapping[Cell, Ready],
    folder: Path,
    asked: Invocation,
    budget: Budget,
    launched: Workers | None,
) -> int:
    """Returns the command's exit code."""
    one = next(iter(possible.values()))
    room = places("auto" if launched else sweep.workers, sweep.trials_per_gpu, one.job.settings.devices)
    aim = _checked(possible, roster, Pool(room, None), sweep.skip_impossible, elsewhere=isinstance(launched, Distant))
    pool = Pool(room, sweep.trial_timeout)
    folder.mkdir(parents=True, exist_ok=True)
    kind = type(sweep.sampler).__name__.lower()
    story = Story(folder, asked.command, asked.overrides, space.keys, kind, aim, stored_by_tracker(folder))
    search = sweep.sampler.search(space, aim, sweep.pruner, folder, sweep.rerun)
    driver = Driver(search, roster, Ledger(folder), launched or pool, screen(aim), story)
    if launched is None:
        stock(possible.values())
    with agent_ignored():
        driver.run(sweep.sampler.total(space), budget, sweep.rerun)
    entries = driver.entries.values()
    failed = any(entry.state not in ("finished", "pruned", "impossible") for entry in entries)
    state = "interrupted" if driver.asked else "failed" if failed else "finished"
    story.write(entries, state)
    if driver.asked is not None:
        raise _stopped(driver.asked, folder)
    _tell(story, entries, state, one, launched if isinstance(launched, Distant) else pool)
    return int(failed)


def _tell(story: Story, entries: Collection[Entry], state: str, one: Ready, workers: Workers) -> None:
    """What came of it: the choice, the page, the tracker's run for all of it, the last screen."""
    folder = story.folder
    told = of_sweep(read_sweep(folder))
    with agent_ignored():
        test = test_scores(told.groups, workers, one)
    write_report(told, folder / PAGE)
    tracker: Tracker = guarded(build(one.job.config["tracker"], Tracker, "tracker", one.job.settings.trust))

    def store(stored: Stored) -> None:
        replace(story, tracker=stored).write(entries, state)

    mirror(told, test, TrackedRun(tracker, incomplete(story.tracker), store), folder)
    final_screen(told, folder, test, _remarks(entries))


def _checked(possible: Mapping[Cell, Ready], roster: Roster, pool: Pool, skip: bool, elsewhere: bool) -> Aim:
    """What the runs are judged by; those that cannot work after all are told, or left out."""
    found = scout(list(possible.values()), pool, skip, elsewhere)
    mistakes = {
        cell: UserError(found.mistakes[place]) for place, cell in enumerate(possible) if place in found.mistakes
    }
    require_possible(mistakes, len(possible), skip and found.aim is not None)
    for cell, error in mistakes.items():
        roster.refuse(cell, error)
    if found.aim is None:
        raise UserError("No run of this sweep can work.")
    return found.aim


def _remarks(entries: Collection[Entry]) -> dict[str, str]:
    """What else there is to say."""
    said = {}
    before = sum(not entry.here and entry.state == "finished" for entry in entries)
    if before:
        said["before"] = f"{before} runs were finished before this command"
    stale = [entry for entry in entries if entry.stale]
    if stale:
        why = "; ".join(sorted({str(entry.stale) for entry in stale}))
        said["stale"] = f"{len(stale)} of them would be others today: {why}; sweep.rerun=stale makes them again"
    return said


def _stopped(number: int, folder: Path) -> HoneError:
    said = f"{folder}: the sweep was asked to stop by {signal.Signals(number).name}; the same command goes on with it."
    return Interrupted(said) if number == signal.SIGINT else Preempted(said)
