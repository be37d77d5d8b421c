"""The test scores of the config that a sweep has chosen. Runs of other configs are never scored on the test split."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hone.config.build import build
from hone.config.check import check_node
from hone.config.settings import EvaluateSettings
from hone.core.value_types import Accelerator
from hone.reports.groups import RunGroup
from hone.runs.folder import Folder
from hone.runs.manifest import extend_manifest
from hone.runs.record import Record
from hone.sweeps.jobs import Ready
from hone.sweeps.workers import Workers
from hone.tracking.bookkeeping import TrackedRun, final_summary, run_info
from hone.tracking.tracker import Tracker, guarded


def score_test_split(folder: Path, accelerator: Accelerator, trust: Iterable[str], remote_code: bool) -> dict[str, Any]:
    """Score a finished run on its test split and record that, as a run outside a sweep does itself."""
    # Imported late: a sweep is checked, or uploaded, without these modules.
    from hone.core.contributions import Contributions
    from hone.core.scores import baseline_scores, metrics_of
    from hone.training import finished
    from hone.training.saving import save_split

    run = finished.load_finished_run(str(folder), trust, remote_code=remote_code)
    settings = EvaluateSettings(
        run=str(folder), split="test", batch_size=None, limit=None, worst=0, output=None,
        accelerator=accelerator, precision=None, verify=True, trust=list(trust),
    )  # fmt: skip
    rows = finished.rows_of(run, "test")
    records = finished.records_of(run, rows, settings)
    contributions = Contributions.of(metrics_of(run.task), records)
    scores = {f"test/{name}": value for name, value in contributions.scores().items()}
    blind = {f"test/{name}": value for name, value in baseline_scores(run.task, records).items()}
    extend_manifest(run.folder, save_split(run.folder, "test", run.task, contributions))
    record = Record.load(run.folder.record)
    record.update(scores={**record["scores"], **scores}, baseline={**(record["baseline"] or {}), **blind})
    _report_scores(run.folder, run.config, record, trust)
    return {"state": "finished", "scores": scores}


def _report_scores(folder: Folder, config: Mapping[str, Any], record: Record, trust: Iterable[str]) -> None:
    """Send the scores to a tracker that has the whole run. Any other gets them together with the rest of the run."""
    if not record["tracker"]:
        return
    tracker = guarded(build(check_node(config["tracker"], "tracker", trust), Tracker, "tracker", trust))
    tracked = TrackedRun(tracker, record["tracker"], lambda stored: record.update(tracker=stored))
    root = Path(config["output_root"]).absolute()
    tracked.amend(run_info(record, config, root), folder, record["state"], final_summary(record))


def score_chosen_config(groups: Sequence[RunGroup], workers: Workers, ready: Ready) -> dict[str, float]:
    """Score the runs of the best config, if all have finished; return the means. `ready` is any run of the sweep."""
    if not groups or len(groups[0].counted) < len(groups[0].entries):
        return {}
    folders = [entry.folder for entry in groups[0].entries if entry.folder is not None]
    waiting = [folder for folder in folders if _is_unscored(folder)]
    settings, checkpoint = ready.job.settings, ready.job.config["checkpoint"]
    remote_code = bool(checkpoint.get("trust_remote_code"))  # the command was checked: the user has allowed it
    while waiting or workers.working:
        while waiting and workers.free:
            folder = waiting.pop()
            work = partial(score_test_split, folder, settings.accelerator, settings.trust, remote_code)
            workers.start(folder.name, replace(ready, work=work), folder.parent / "logs" / f"{folder.name}.txt")
        workers.wait(0.5)
    return known_test_scores(groups)


def known_test_scores(groups: Sequence[RunGroup]) -> dict[str, float]:
    """Return the means of the recorded test scores over the runs of the best config."""
    folders = [entry.folder for entry in groups[0].entries if entry.folder is not None] if groups else []
    runs = [_test_scores(folder) for folder in folders]
    if not runs:
        return {}
    names = [name for name in runs[0] if "/" not in name.removeprefix("test/")]  # without the scores of single classes
    return {name: statistics.fmean(scores[name] for scores in runs if name in scores) for name in names}


def _test_scores(folder: Path) -> dict[str, float]:
    scores = Record.load(folder / "run.json")["scores"] or {}
    return {name: value for name, value in scores.items() if name.startswith("test/")}


def _is_unscored(folder: Path) -> bool:
    """Whether the run has a test split on which it has not been scored."""
    return "test" in Record.load(folder / "run.json")["data"]["rows"] and not _test_scores(folder)
