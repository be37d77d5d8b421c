"""`hone evaluate`: score a finished run on a split, with its confusion matrix, calibration and worst examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from hone.config.job import Invocation
from hone.config.settings import EvaluateSettings
from hone.core.files import write_atomically
from hone.core.log import capture_log, quieten_libraries
from hone.core.metric import Columns
from hone.core.paths import relative_to_cwd
from hone.core.scores import baseline_scores, compute_scores, signatures_of
from hone.core.screen import make_console, print_line
from hone.core.streams import out
from hone.data.rows import Rows
from hone.reports.classes import (
    calibration_bins,
    calibration_table,
    confusion_matrix,
    confusion_table,
    expected_calibration_error,
)
from hone.reports.examples import worst_table
from hone.reports.run_screen import score_table
from hone.runs.folder import require_writable
from hone.training import finished
from hone.training.finished import FinishedRun
from hone.training.saving import save_records


def main(settings: EvaluateSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Load the run, predict the split, and store and print the results."""
    quieten_libraries()
    with capture_log():
        run = finished.load_finished_run(settings.run, settings.trust, verify=settings.verify)
        folder = Path(settings.output) if settings.output else finished.beside(settings.run, run.folder, "evaluation")
        require_writable(folder)
        rows = finished.rows_of(run, settings.split, settings.limit)
        records = finished.records_of(run, rows, settings)
        scores, baseline = compute_scores(run.task, records), baseline_scores(run.task, records)
        _store(folder, settings.split, records, scores, baseline, run)
        _show(run, rows, records, scores, baseline, settings)
        out.write("\n")
        print_line("stored", f"{relative_to_cwd(folder)}/{settings.split}.json, .parquet", width=0)


def _store(
    folder: Path, split: str, records: Columns, scores: dict[str, float], baseline: dict[str, float], run: FinishedRun
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_records(records, folder / f"{split}.parquet")
    matrix, bins = confusion_matrix(records, run.task.facts), calibration_bins(records, run.task.facts)
    content = {
        "run": run.record["id"],
        "split": split,
        "rows": len(records["id"]),
        "scores": scores,
        "baseline": baseline,
        "signatures": signatures_of(run.task),
        "labels": list(run.task.facts.labels),
        "confusion": None if matrix is None else matrix.tolist(),
        "calibration_error": expected_calibration_error(bins) if bins else None,
    }
    write_atomically(folder / f"{split}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _show(
    run: FinishedRun,
    rows: Rows,
    records: Columns,
    scores: dict[str, float],
    baseline: dict[str, float],
    settings: EvaluateSettings,
) -> None:
    console = make_console()
    title = f"{run.record['group']}  {run.record['id']}  {settings.split}, {len(records['id']):,} rows"
    console.print(Text(title, "bold"), soft_wrap=True)
    console.print(score_table({"model": scores, "baseline": baseline}))
    matrix = confusion_matrix(records, run.task.facts)
    if matrix is not None:
        console.print(confusion_table(matrix, run.task.facts))
        console.print(calibration_table(calibration_bins(records, run.task.facts)))
    if settings.worst:
        console.print(worst_table(records, rows.splits[settings.split], run.task, settings.worst))
