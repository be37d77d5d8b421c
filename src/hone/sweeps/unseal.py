"""The test split of a chosen run, which no sweep looks at before it has chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hone.config.build import build
from hone.config.check import check_node
from hone.config.settings import Evaluate
from hone.core.value_types import Accelerator
from hone.runs.folder import Folder
from hone.runs.record import Record
from hone.tracking.bookkeeping import TrackedRun, final_summary, run_info
from hone.tracking.tracker import Tracker, guarded


def unseal(folder: Path, accelerator: Accelerator, trust: Iterable[str]) -> dict[str, Any]:
    """Scores it and writes it down, as a run outside a sweep does for itself."""
    from hone.core.contributions import Additions
    from hone.core.scores import baseline_scores, metrics_of  # a sweep is checked, or sent, without all these
    from hone.training import finished
    from hone.training.results import save_split

    run = finished.load(str(folder), trust)
    settings = Evaluate(
        run=str(folder), split="test", batch_size=None, limit=None, worst=0, output=None,
        accelerator=accelerator, precision=None, trust=list(trust),
    )  # fmt: skip
    rows = finished.rows_of(run, "test")
    records = finished.records_of(run, rows, settings)
    additions = Additions.of(metrics_of(run.task), records)
    scores = {f"test/{name}": value for name, value in additions.scores().items()}
    blind = {f"test/{name}": value for name, value in baseline_scores(run.task, records).items()}
    save_split(run.folder, "test", run.task, additions)
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
