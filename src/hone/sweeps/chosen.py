"""The test scores of the config that a sweep has chosen; of the others nobody ever looks at them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hone.runs.record import Record
from hone.sweeps.groups import Group
from hone.sweeps.pool import Pool
from hone.sweeps.ready import Roster
from hone.sweeps.unseal import unseal


def test_scores(groups: Sequence[Group], pool: Pool, roster: Roster, logs: Path) -> dict[str, float]:
    """The means over the seeds of the best config whose seeds are all there."""
    best = next((group for group in groups if group.complete), None)
    if best is None:
        return {}
    waiting = [entry for entry in best.entries if _sealed(entry.folder)]
    while waiting or pool.workers:
        while waiting and pool.free:
            entry = waiting.pop()
            ready = roster.ready(entry.cell)
            settings = ready.job.settings
            work = partial(unseal, entry.folder, settings.accelerator, settings.trust)
            pool.start(entry.identity, replace(ready, work=work), logs / f"{entry.identity}.txt")
        pool.wait(0.5)
    found = [_scored(entry.folder) for entry in best.entries]
    names = [name for name in found[0] if "/" not in name.removeprefix("test/")]
    return {name: statistics.fmean(each[name] for each in found if name in each) for name in names}


def _scored(folder: Path) -> dict[str, float]:
    scores = Record.load(folder / "run.json")["scores"] or {}
    return {name: value for name, value in scores.items() if name.startswith("test/")}


def _sealed(folder: Path) -> bool:
    """Whether the run has a test split that it has not been scored on."""
    return "test" in Record.load(folder / "run.json")["data"]["rows"] and not _scored(folder)
