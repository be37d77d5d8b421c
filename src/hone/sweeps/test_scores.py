"""The test scores of the config that a sweep has chosen; of the others nobody ever looks at them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hone.config.build import build
from hone.config.check import check_node
from hone.config.settings import Evaluate
from hone.core.value_types import Accelerator
from hone.reports.groups import RunGroup
from hone.runs.folder import Folder
from hone.runs.record import Record
from hone.sweeps.jobs import Ready
from hone.sweeps.workers import Workers
from hone.tracking.bookkeeping import TrackedRun, final_summary, run_info
from hone.tracking.tracker import Tracker, guarded


def unseal(folder: Path, accelerator: Accelerator, trust: Iterable[str]) -> dict[str, Any]:
    """Scores it and writes it down, as a run outside a sweep does for itself."""
    from hone.core.contributions import Contributions
    from hone.core.scores import baseline_scores, metrics_of  # a sweep is checked, or sent, without all these
    from hone.training import finished
    from hone.training.results import save_split

    run = finished.load_finished_run(str(folder), trust)
    settings = Evaluate(
        run=str(folder), split="test", batch_size=None, limit=None, worst=0, output=None,
        accelerator=accelerator, precision=None, trust=list(trust),
    )  # fmt: skip
    rows = finished.rows_of(run, "test")
    records = finished.records_of(run, rows, settings)
    contributions = Contributions.of(metrics_of(run.task), records)
    scores = {f"test/{name}": value for name, value in contributions.scores().items()}
    blind = {f"test/{name}": value for name, value in baseline_scores(run.task, records).items()}
    save_split(run.folder, "test", run.task, contributions)
    record = Record.load(run.folder.record)
    record.update(scores={**record["scores"], **scores}, baseline={**(record["baseline"] or {}), **blind})
    _tell(run.folder, run.config, record, trust)
    return {"state": "finished", "scores": scores}


def _tell(folder: Folder, config: Mapping[str, Any], record: Record, trust: Iterable[str]) -> None:
    """A tracker that has the whole run gets the scores now; any other when the rest of the run is sent."""
    if not record["tracker"]:
        return
    tracker = guarded(build(check_node(config["tracker"], "tracker", trust), Tracker, "tracker", trust))
    tracked = TrackedRun(tracker, record["tracker"], lambda stored: record.update(tracker=stored))
    root = Path(config["output_root"]).absolute()
    tracked.amend(run_info(record, config, root), folder, record["state"], final_summary(record))


def test_scores(groups: Sequence[RunGroup], pool: Workers, one: Ready) -> dict[str, float]:
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


def known_scores(groups: Sequence[RunGroup]) -> dict[str, float]:
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
