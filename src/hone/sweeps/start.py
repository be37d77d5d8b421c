"""A sweep from its first check to its last screen. What cannot work is reported before torch is loaded."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from hone.config.build import build
from hone.config.job import Invocation
from hone.core.errors import HoneError, Interrupted, Preempted, UserError
from hone.runs.sweep_file import Cell, CellState, stored_by_tracker
from hone.sweeps.jobs import Ready, Roster
from hone.sweeps.launchers.launcher import Launcher
from hone.sweeps.ledger import Ledger, Story
from hone.sweeps.possible import require_possible
from hone.sweeps.process import places
from hone.sweeps.sampler import Aim
from hone.sweeps.screen import screen
from hone.sweeps.space import Space
from hone.sweeps.sweep import Budget, Sweep
from hone.sweeps.workers import Pool, Workers
from hone.tracking.bookkeeping import Stored, TrackedRun, incomplete
from hone.tracking.tracker import Tracker, guarded
from hone.tracking.wandb.client import agent_ignored


@final
@dataclass(frozen=True)
class Commanded:
    """A command with `-m`: its sweep, what varies, how a cell becomes a run, and where."""

    sweep: Sweep
    space: Space
    make: Callable[[Cell], Ready]
    folder: Path
    invocation: Invocation
    launcher: Launcher
    options: Mapping[str, Any]
    """The section of the config that has the command's own name, such as `plan`."""


def check_and_run(command: Commanded) -> int:
    """Return the exit code of the command."""
    sweep, roster = command.sweep, Roster(command.make)
    budget = Budget.parse(sweep.budget)
    cells = sweep.sampler.preview(command.space)
    mistakes = roster.mistakes(cells)
    require_possible(mistakes, cells, sweep.skip_impossible)
    possible = {cell: roster.ready(cell) for cell in cells if cell not in mistakes}
    sweep.pruner.require(all(ready.job.settings.evaluate_every is not None for ready in possible.values()))
    return _run(command, roster, possible, budget)


def _run(command: Commanded, roster: Roster, possible: Mapping[Cell, Ready], budget: Budget) -> int:
    from hone.sweeps.driver import Driver  # with it, torch
    from hone.sweeps.jobs import stock

    sweep, folder, launcher = command.sweep, command.folder, command.launcher
    one = next(iter(possible.values()))
    aim = _aim(command, roster, possible)
    workers = launcher.workers(sweep, folder, one.job.settings.devices)
    folder.mkdir(parents=True, exist_ok=True)
    story = _story(command, aim)
    search = sweep.sampler.search(command.space, aim, sweep.pruner, folder, sweep.rerun)
    driver = Driver(search, roster, Ledger(folder), workers, screen(aim), story)
    if not launcher.elsewhere:
        stock(possible.values())
    with agent_ignored():
        driver.run(sweep.sampler.total(command.space), budget, sweep.rerun)
    entries = driver.entries.values()
    failed = any(entry.state not in ("finished", "pruned", "impossible") for entry in entries)
    state = "interrupted" if driver.asked else "failed" if failed else "finished"
    story.write(entries, state)
    if driver.asked is not None:
        raise _stopped(driver.asked, folder)
    _report(story, entries, state, one, workers)
    return int(failed)


def _aim(command: Commanded, roster: Roster, possible: Mapping[Cell, Ready]) -> Aim:
    """Return the number that the runs are judged by; cells that turn out to be impossible are reported or left out."""
    from hone.sweeps.check_cells import scout

    sweep, launcher = command.sweep, command.launcher
    devices = next(iter(possible.values())).job.settings.devices
    room = places("auto" if launcher.elsewhere else sweep.workers, sweep.trials_per_gpu, devices)
    checked = scout(list(possible.values()), Pool(room, None), sweep.skip_impossible, launcher.elsewhere)
    mistakes = {
        cell: UserError(checked.mistakes[place]) for place, cell in enumerate(possible) if place in checked.mistakes
    }
    require_possible(mistakes, list(possible), sweep.skip_impossible and checked.aim is not None)
    for cell, error in mistakes.items():
        roster.refuse(cell, error)
    if checked.aim is None:
        raise UserError("No run of this sweep can work.")
    return checked.aim


def _story(command: Commanded, aim: Aim) -> Story:
    kind = type(command.sweep.sampler).__name__.lower()
    asked, folder = command.invocation, command.folder
    return Story(folder, asked.command, asked.overrides, command.space.keys, kind, aim, stored_by_tracker(folder))


def _report(story: Story, entries: Collection[CellState], state: str, one: Ready, workers: Workers) -> None:
    """Score the chosen config, write the page, send the sweep to the tracker, and print the last screen."""
    from hone.reports.comparison import of_sweep
    from hone.reports.page import PAGE, write_report
    from hone.reports.sweep import read_sweep
    from hone.sweeps.mirror import mirror
    from hone.sweeps.screen import final_screen
    from hone.sweeps.test_scores import test_scores

    folder = story.folder
    comparison = of_sweep(read_sweep(folder))
    with agent_ignored():
        test = test_scores(comparison.groups, workers, one)
    write_report(comparison, folder / PAGE)
    tracker: Tracker = guarded(build(one.job.config["tracker"], Tracker, "tracker", one.job.settings.trust))

    def store(stored: Stored) -> None:
        replace(story, tracker=stored).write(entries, state)

    mirror(comparison, test, TrackedRun(tracker, incomplete(story.tracker), store), folder)
    final_screen(comparison, folder, test, _remarks(entries))


def _remarks(entries: Collection[CellState]) -> dict[str, str]:
    remarks = {}
    before = sum(not entry.ran_now and entry.state == "finished" for entry in entries)
    if before:
        remarks["before"] = f"{before} runs were finished before this command"
    stale = [entry for entry in entries if entry.stale]
    if stale:
        why = "; ".join(sorted({str(entry.stale) for entry in stale}))
        remarks["stale"] = f"{len(stale)} of them would be others today: {why}; sweep.rerun=stale makes them again"
    return remarks


def _stopped(number: int, folder: Path) -> HoneError:
    text = f"{folder}: the sweep was asked to stop by {signal.Signals(number).name}; the same command goes on with it."
    return Interrupted(text) if number == signal.SIGINT else Preempted(text)
