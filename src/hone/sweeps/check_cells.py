"""What a sweep must know before its first run, found out in a process of its own: the driver computes nothing."""

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
from hone.sweeps.workers import Pool
from hone.training.preflight import Feasible, Preflight

Note = Callable[[Feasible], Any]
"""What else to remember of a run that can work."""


@final
@dataclass(frozen=True)
class Scouted:
    """Runs are called by their places."""

    aim: Aim | None
    """The number that they are judged by; None if none can work."""
    mistakes: Mapping[int, str]
    notes: Mapping[int, Any]


def scout(ready: Sequence[Ready], pool: Pool, skip: bool, elsewhere: bool, note: Note | None = None) -> Scouted:
    """`skip`: runs that cannot work are left out; if not, the first few questions are enough to find one.

    `elsewhere`: the runs will be on machines that may have other devices than this one."""
    words, *_ = apart(pool, ready[0], partial(_look, ready, skip, elsewhere, note), "The runs could not be checked")
    import_modules(words["modules"])
    aim = Aim(words["aim"][0], words["aim"][1]) if words["aim"] else None
    by_place = [{int(place): said for place, said in words[name].items()} for name in ("mistakes", "notes")]
    return Scouted(aim, *by_place)


def apart(pool: Pool, ready: Ready, work: Work, complaint: str, copies: int = 1) -> list[Mapping[str, Any]]:
    """The last words of processes that do other work than the run's, all the same, while no others are there."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        for copy in range(copies):
            pool.start(f"scout-{copy}", replace(ready, work=work), output)
        ended = []
        while pool.working:
            ended += pool.wait(1.0)
        said = output.read_text(encoding="utf-8", errors="replace")
    for _, words, _ in ended:
        if words["state"] != "finished":
            raise RunError(f"{complaint}: {words['reason']}.\n{said[-2000:]}")
    return [words for _, words, _ in ended]


def _look(ready: Sequence[Ready], skip: bool, elsewhere: bool, note: Note | None) -> Mapping[str, Any]:
    """Every job as `hone plan` checks it, before weights are loaded: cheap questions to all, then rows are encoded.

    What the jobs share is read once."""
    before, preflight, aim = loaded_modules(), Preflight(elsewhere), None
    mistakes: dict[int, str] = {}
    notes: dict[int, Any] = {}
    for place, each in enumerate(ready):
        try:
            monitor = preflight.glance(each.job)
        except UserError as error:
            mistakes[place] = str(error)
        else:
            aim = aim or (f"validation/{monitor.name}", monitor.higher_is_better)
    for place, each in enumerate(ready) if skip or not mistakes else ():
        if place in mistakes:
            continue
        try:
            feasible = preflight.check(each.job)
            notes[place] = note(feasible) if note else None
        except UserError as error:
            mistakes[place] = str(error)
    aim = aim if len(mistakes) < len(ready) else None
    modules = sorted(loaded_modules() - before)
    return {"state": "finished", "aim": aim, "mistakes": mistakes, "notes": notes, "modules": modules}
