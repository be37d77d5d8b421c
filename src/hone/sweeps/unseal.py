"""The test split of a chosen run, which no sweep looks at before it has chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hone.build import build
from hone.check import check_node
from hone.runs.folder import Folder
from hone.runs.record import Record
from hone.runs.told import about, last_words
from hone.settings.evaluate import Evaluate
from hone.tracking.base import Tracker
from hone.tracking.several import guarded
from hone.types import Accelerator


def unseal(folder: Path, accelerator: Accelerator, trust: Iterable[str]) -> dict[str, Any]:
    """Scores it and writes it down, as a run outside a sweep does for itself."""
    from hone.results import save_records
    from hone.runs import finished
    from hone.scores import baseline_scores, compute_scores  # a sweep is checked, or sent, without all these

    run = finished.load(str(folder), trust)
    settings = Evaluate(
        run=str(folder), split="test", batch_size=None, limit=None, worst=0, output=None,
        accelerator=accelerator, precision=None, trust=list(trust),
    )  # fmt: skip
    rows = finished.rows_of(run, "test")
    records = finished.records_of(run, rows, settings)
    scores = {f"test/{name}": value for name, value in compute_scores(run.task, records).items()}
    blind = {f"test/{name}": value for name, value in baseline_scores(run.task, records).items()}
    save_records(records, run.folder.predictions / "test.parquet")
    record = Record.load(run.folder.record)
    record.update(scores={**record["scores"], **scores}, baseline={**(record["baseline"] or {}), **blind})
    _tell(run.folder, run.config, record, trust)
    return {"state": "finished", "scores": scores}


def _tell(folder: Folder, config: Mapping[str, Any], record: Record, trust: Iterable[str]) -> None:
    """A tracker that has heard all of the run hears this too; to others it is still to be sent with the rest."""
    if not record["wandb"]:
        return
    if not record["wandb"].get("sent"):
        record.update(wandb=record["wandb"] | {"amended": True})
        return
    tracker = guarded(build(check_node(config["tracker"], "tracker", trust), Tracker, "tracker", trust))
    tracker.start(about(record, config, Path(config["output_root"]).absolute()))
    tracker.keep(folder)
    if not tracker.finish(record["state"], 0, last_words(record)):
        record.update(wandb=record["wandb"] | {"sent": False})
