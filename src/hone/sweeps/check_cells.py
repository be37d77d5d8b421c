"""The checks of a sweep's cells before its first run, in a child process: the driver itself computes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, final

from hone.core.errors import RunError, UserError
from hone.core.process import import_modules, loaded_modules
from hone.sweeps.jobs import Ready
from hone.sweeps.process import Work
from hone.sweeps.sampler import Aim
from hone.sweeps.workers import LocalWorkers
from hone.training.preflight import Feasible, Preflight

Note = Callable[[Feasible], Any]
"""Returns what the caller wants to know about a run that can work, as JSON values."""


@final
@dataclass(frozen=True)
class CheckedCells:
    """The result of the checks, by the places of the runs in the list that was checked."""

    aim: Aim | None
    """The metric by which the runs are judged, or None if none can work."""
    mistakes: Mapping[int, str]
    notes: Mapping[int, Any]


def check_cells(
    ready: Sequence[Ready], workers: LocalWorkers, skip: bool, elsewhere: bool, note: Note | None = None
) -> CheckedCells:
    """Check that each run can work.

    With `skip`, runs that cannot work are left out, so all of them are checked to the end; without it, the quick checks
    are enough once they have found a mistake. With `elsewhere`, the runs will be on machines with other devices.
    """
    work = partial(_check_all, ready, skip, elsewhere, note)
    result, *_ = run_in_processes(workers, ready[0], work, "The runs could not be checked")
    import_modules(result["modules"])
    aim = Aim(result["aim"][0], result["aim"][1]) if result["aim"] else None
    # The keys were turned into text on their way through JSON.
    mistakes = {int(place): message for place, message in result["mistakes"].items()}
    notes = {int(place): value for place, value in result["notes"].items()}
    return CheckedCells(aim, mistakes, notes)


def run_in_processes(
    workers: LocalWorkers, ready: Ready, work: Work, complaint: str, copies: int = 1
) -> list[Mapping[str, Any]]:
    """Do some work in one or more processes like those of the runs, and return the result of each.

    All processes do the same work. No run may be active meanwhile.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        for copy in range(copies):
            workers.start(f"check-{copy}", replace(ready, work=work), output)
        ended = []
        while workers.working:
            ended += workers.wait(1.0)
        printed = output.read_text(encoding="utf-8", errors="replace")
    results = [result for _, result, _ in ended]
    for result in results:
        if result["state"] != "finished":
            raise RunError(f"{complaint}: {result['reason']}.\n{printed[-2000:]}")
    return results


def _check_all(ready: Sequence[Ready], skip: bool, elsewhere: bool, note: Note | None) -> Mapping[str, Any]:
    """Check every job as `hone plan` does, before weights are loaded. What the jobs share is read once.

    Quick checks of all jobs come first; only then are rows encoded.
    """
    modules_before, preflight, aim = loaded_modules(), Preflight(elsewhere), None
    mistakes: dict[int, str] = {}
    notes: dict[int, Any] = {}
    for place, run in enumerate(ready):
        try:
            monitor = preflight.glance(run.job)
        except UserError as error:
            mistakes[place] = str(error)
        else:
            aim = aim or (f"validation/{monitor.name}", monitor.higher_is_better)
    for place, run in enumerate(ready) if skip or not mistakes else ():
        if place in mistakes:
            continue
        try:
            feasible = preflight.check(run.job)
            notes[place] = note(feasible) if note else None
        except UserError as error:
            mistakes[place] = str(error)
    aim = aim if len(mistakes) < len(ready) else None
    modules = sorted(loaded_modules() - modules_before)
    return {"state": "finished", "aim": aim, "mistakes": mistakes, "notes": notes, "modules": modules}
