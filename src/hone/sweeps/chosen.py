"""The test scores of the config that a sweep has chosen; of the others nobody ever looks at them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hone.reports.groups import Group
from hone.runs.record import Record
from hone.sweeps.ready import Ready
from hone.sweeps.unseal import unseal
from hone.sweeps.workers import Workers


def test_scores(groups: Sequence[Group], pool: Workers, one: Ready) -> dict[str, float]:
    """The means over the seeds of the best config, if all of them are there; `one` is any run of the sweep."""
    if not groups or len(groups[0].counted) < len(groups[0].entries):
        return {}
    folders = [entry.folder for entry in groups[0].entries if entry.folder is not None]
    waiting = [folder for folder in folders if _sealed(folder)]
    settings = one.job.settings
    while waiting or pool.working:
        while waiting and pool.free:
            folder = waiting.pop()
            work = partial(unseal, folder, settings.accelerator, settings.trust)
            pool.start(folder.name, replace(one, work=work), folder.parent / "logs" / f"{folder.name}.txt")
        pool.wait(0.5)
    return known_scores(groups)


def known_scores(groups: Sequence[Group]) -> dict[str, float]:
    """The same of runs that have been scored."""
    folders = [entry.folder for entry in groups[0].entries if entry.folder is not None] if groups else []
    found = [_scored(folder) for folder in folders]
    names = [name for name in (found or [{}])[0] if "/" not in name.removeprefix("test/")]
    return {name: statistics.fmean(each[name] for each in found if name in each) for name in names}


def _scored(folder: Path) -> dict[str, float]:
    scores = Record.load(folder / "run.json")["scores"] or {}
    return {name: value for name, value in scores.items() if name.startswith("test/")}


def _sealed(folder: Path) -> bool:
    """Whether the run has a test split that it has not been scored on."""
    return "test" in Record.load(folder / "run.json")["data"]["rows"] and not _scored(folder)
