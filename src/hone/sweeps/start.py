"""A sweep from its first check to its result. Mistakes that can be found without torch are reported before it loads."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from hone.config.build import build
from hone.config.job import Invocation
from hone.core.errors import Interrupted, Preempted, StopRequest, UserError
from hone.core.files import remove_drafts
from hone.runs.sweep_file import Cell, CellState, stored_by_tracker
from hone.sweeps.jobs import Ready, Roster
from hone.sweeps.launchers.launcher import Launcher
from hone.sweeps.ledger import Ledger, SweepFile
from hone.sweeps.possible import require_distinct, require_possible
from hone.sweeps.process import find_slots
from hone.sweeps.sampler import Aim
from hone.sweeps.screen import make_screen
from hone.sweeps.space import Space
from hone.sweeps.sweep import Budget, Sweep
from hone.sweeps.workers import LocalWorkers, Workers
from hone.tracking.bookkeeping import Stored, TrackedRun, incomplete
from hone.tracking.tracker import Tracker, guarded
from hone.tracking.wandb.client import agent_ignored

_ABANDONED = 600.0
"""Seconds after which a draft in a sweep's folder is nobody's. It takes moments to write one."""


@final
@dataclass(frozen=True)
class SweepRequest:
    """What a command with `-m` asks for."""

    sweep: Sweep
    space: Space
    make: Callable[[Cell], Ready]
    """Makes a cell a run that is ready to start."""
    folder: Path
    invocation: Invocation
    launcher: Launcher
    options: Mapping[str, Any]
    """The section of the config that is named like the command, such as `plan`."""


def check_and_run(request: SweepRequest) -> int:
    """Run a sweep and return the exit code of the command."""
    sweep, roster = request.sweep, Roster(request.make)
    budget = Budget.parse(sweep.budget)
    cells = sweep.sampler.preview(request.space)
    mistakes = roster.mistakes(cells)
    require_possible(mistakes, cells, sweep.skip_impossible)
    possible = {cell: roster.ready(cell) for cell in cells if cell not in mistakes}
    require_distinct({cell: ready.identity for cell, ready in possible.items()})
    sweep.pruner.require(all(ready.job.settings.evaluate_every is not None for ready in possible.values()))
    return _run(request, roster, possible, budget)


def _run(request: SweepRequest, roster: Roster, possible: Mapping[Cell, Ready], budget: Budget) -> int:
    from hone.sweeps.driver import Driver  # imports torch
    from hone.sweeps.jobs import preload_rows

    sweep, folder, launcher = request.sweep, request.folder, request.launcher
    any_run = next(iter(possible.values()))
    aim = _find_aim(request, roster, possible)
    workers = launcher.workers(sweep, folder, any_run.job.settings.devices)
    folder.mkdir(parents=True, exist_ok=True)
    remove_drafts(folder, _ABANDONED)  # those of drivers that were killed; one of another machine may be at work
    sweep_file = _make_sweep_file(request, aim)
    search = sweep.sampler.search(request.space, aim, sweep.pruner, folder, sweep.rerun)
    driver = Driver(search, roster, Ledger(folder), workers, make_screen(aim), sweep_file)
    if not launcher.elsewhere:
        preload_rows(possible.values())
    with agent_ignored():
        driver.run(sweep.sampler.total(request.space), budget, sweep.rerun)
    entries = driver.entries.values()
    failed = any(entry.state not in ("finished", "pruned", "impossible") for entry in entries)
    if driver.stopped_by is not None:
        sweep_file.write(entries, "interrupted")
        raise _stop_error(driver.stopped_by, folder)
    state = "failed" if failed else "finished"
    sweep_file.write(entries, state)
    _report(sweep_file, entries, state, any_run, workers)
    return int(failed)


def _find_aim(request: SweepRequest, roster: Roster, possible: Mapping[Cell, Ready]) -> Aim:
    """Return the metric by which the runs are judged, and check all cells; the impossible are reported or left out."""
    from hone.sweeps.check_cells import check_cells

    sweep, launcher = request.sweep, request.launcher
    devices = next(iter(possible.values())).job.settings.devices
    slots = find_slots("auto" if launcher.elsewhere else sweep.workers, sweep.trials_per_gpu, devices)
    workers = LocalWorkers(slots, None)
    checked = check_cells(list(possible.values()), workers, sweep.skip_impossible, launcher.elsewhere)
    mistakes = {
        cell: UserError(checked.mistakes[place]) for place, cell in enumerate(possible) if place in checked.mistakes
    }
    require_possible(mistakes, list(possible), sweep.skip_impossible and checked.aim is not None)
    for cell, error in mistakes.items():
        roster.refuse(cell, error)
    if checked.aim is None:
        raise UserError("No run of this sweep can work.")
    return checked.aim


def _make_sweep_file(request: SweepRequest, aim: Aim) -> SweepFile:
    folder, invocation = request.folder, request.invocation
    return SweepFile(
        folder=folder,
        command=invocation.command,
        words=invocation.overrides,
        keys=request.space.keys,
        sampler=type(request.sweep.sampler).__name__.lower(),
        aim=aim,
        tracker=stored_by_tracker(folder),
    )


def _report(sweep_file: SweepFile, entries: Collection[CellState], state: str, ready: Ready, workers: Workers) -> None:
    """Score the chosen config, write the report, log the sweep to the tracker, and print the result."""
    from hone.reports.comparison import compare_sweep
    from hone.reports.page import PAGE, write_report
    from hone.reports.sweep import read_sweep
    from hone.sweeps.result import print_result
    from hone.sweeps.test_scores import score_chosen_config
    from hone.sweeps.tracker_summary import log_sweep

    folder = sweep_file.folder
    comparison = compare_sweep(read_sweep(folder))
    with agent_ignored():
        test = score_chosen_config(comparison.groups, workers, ready)
    write_report(comparison, folder / PAGE)
    tracker: Tracker = guarded(build(ready.job.config["tracker"], Tracker, "tracker", ready.job.settings.trust))

    def store(stored: Stored) -> None:
        replace(sweep_file, tracker=stored).write(entries, state)

    log_sweep(comparison, test, TrackedRun(tracker, incomplete(sweep_file.tracker), store), folder)
    print_result(comparison, folder, test, _remarks(entries))


def _remarks(entries: Collection[CellState]) -> dict[str, str]:
    """Return what the result says of runs of earlier commands."""
    remarks = {}
    before = sum(not entry.ran_now and entry.state == "finished" for entry in entries)
    if before:
        remarks["before"] = f"{before} runs were finished before this command"
    stale = [entry for entry in entries if entry.stale]
    if stale:
        reasons = "; ".join(sorted({str(entry.stale) for entry in stale}))
        remarks["stale"] = (
            f"{len(stale)} of them would have other results today: {reasons}; sweep.rerun=stale runs them again"
        )
    return remarks


def _stop_error(number: int, folder: Path) -> StopRequest:
    name = signal.Signals(number).name
    message = f"{folder}: the sweep was asked to stop by {name}; the same command continues it."
    return Interrupted(message) if number == signal.SIGINT else Preempted(message)
