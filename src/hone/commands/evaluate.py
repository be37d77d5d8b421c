"""`hone evaluate`: score a run or a checkpoint on a split, with confusion matrix, calibration and worst examples."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from rich.text import Text

from hone.commands.predict import model
from hone.config.build import build
from hone.config.job import Invocation
from hone.config.settings import EvaluateSettings
from hone.core.errors import UserError, join_names
from hone.core.files import write_atomically
from hone.core.log import capture_log, quieten_libraries
from hone.core.metric import Columns
from hone.core.paths import relative_to_cwd
from hone.core.scores import baseline_scores, compute_scores, signatures_of
from hone.core.screen import make_console, print_line
from hone.core.streams import out
from hone.core.task import Task
from hone.data.rows import Rows, load_rows
from hone.data.source import Source
from hone.models.checkpoint import Checkpoint
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

_BATCH_SIZE = 32
"""The rows of a forward pass of a checkpoint."""


@final
@dataclass(frozen=True)
class EvaluateParts:
    """The sections of `conf/evaluate.yaml`; None where a run is given."""

    dataset: Source | None = None
    checkpoint: Checkpoint | None = None
    task: Task | None = None


@final
@dataclass(frozen=True)
class Evaluation:
    """The records of a split, and whose they are."""

    title: str
    about: Mapping[str, str]
    """What the stored results say of their origin."""
    task: Task
    rows: Rows
    records: Columns
    has_baseline: bool = True
    """Whether it is known how often each label occurs in the training rows."""

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """The scores of the model, and of one that ignores its input."""
        baseline = baseline_scores(self.task, self.records) if self.has_baseline else {}
        return {"model": compute_scores(self.task, self.records), "baseline": baseline}


def main(settings: EvaluateSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Load a run or a checkpoint, predict the split, and store and print the results."""
    quieten_libraries()
    with capture_log():
        folder, evaluation = _evaluate(settings, parts)
        scores = evaluation.scores
        _store(folder, settings.split, evaluation, scores)
        _show(evaluation, scores, settings)
        out.write("\n")
        print_line("stored", f"{relative_to_cwd(folder)}/{settings.split}.json, .parquet", width=0)


def _evaluate(settings: EvaluateSettings, parts: Mapping[str, Any]) -> tuple[Path, Evaluation]:
    """Return the folder for the results, and these."""
    given = [name for name, node in parts.items() if node is not None]
    if settings.run is not None and not given:
        run = finished.load_finished_run(settings.run, settings.trust, verify=settings.verify)
        return _evaluate_run(settings, settings.run, run)
    if settings.run is None and len(given) == len(parts):
        return _evaluate_checkpoint(settings, parts)
    names = ["run"] * (settings.run is not None) + given
    raise UserError(
        f"Give run=DIR, or checkpoint=… with dataset=… (and task=… for another task than the data set's); "
        f"given: {join_names(names) or 'none of them'}."
    )


def _evaluate_run(settings: EvaluateSettings, place: str, run: FinishedRun) -> tuple[Path, Evaluation]:
    folder = Path(settings.output) if settings.output else finished.beside(place, run.folder, "evaluation")
    require_writable(folder)
    rows = finished.rows_of(run, settings.split, settings.limit)
    records = finished.records_of(run, rows, settings)
    title = f"{run.record['group']}  {run.record['id']}"
    return folder, Evaluation(title, {"run": run.record["id"]}, run.task, rows, records)


def _evaluate_checkpoint(settings: EvaluateSettings, parts: Mapping[str, Any]) -> tuple[Path, Evaluation]:
    """Evaluate a checkpoint as it is. The labels are its own, or those of the data set if it can have any."""
    checkpoint, task = model.build_parts(parts, settings.trust)
    source: Source = build(parts["dataset"], Source, "dataset", settings.trust)
    title = f"{checkpoint.name} on {source.name}"
    folder = Path(settings.output) if settings.output else Path("evaluation", re.sub(r"\W+", "-", title))
    require_writable(folder)
    own = task.facts_from_config(checkpoint.config({}))
    limit = None if settings.limit == "all" else settings.limit
    rows = finished.choose_split(load_rows(source, task, limit, own if own.labels else None), settings.split, source)
    bound, network = model.bind_checkpoint(checkpoint, task, rows.facts)
    precision, batch_size = settings.precision or "auto", settings.batch_size or _BATCH_SIZE
    records = finished.predict_split(bound, network, source, rows, settings, precision, batch_size)
    about = {"checkpoint": checkpoint.name, "dataset": source.name}
    return folder, Evaluation(title, about, bound, rows, records, has_baseline=not own.labels)


def _store(folder: Path, split: str, evaluation: Evaluation, scores: Mapping[str, Mapping[str, float]]) -> None:
    records, facts = evaluation.records, evaluation.task.facts
    folder.mkdir(parents=True, exist_ok=True)
    save_records(records, folder / f"{split}.parquet")
    matrix, bins = confusion_matrix(records, facts), calibration_bins(records, facts)
    content = {
        **evaluation.about,
        "split": split,
        "rows": len(records["id"]),
        "scores": scores["model"],
        "baseline": scores["baseline"],
        "signatures": signatures_of(evaluation.task),
        "labels": list(facts.labels),
        "confusion": None if matrix is None else matrix.tolist(),
        "calibration_error": expected_calibration_error(bins) if bins else None,
    }
    write_atomically(folder / f"{split}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _show(evaluation: Evaluation, scores: Mapping[str, Mapping[str, float]], settings: EvaluateSettings) -> None:
    console, records, task = make_console(), evaluation.records, evaluation.task
    title = f"{evaluation.title}  {settings.split}, {len(records['id']):,} rows"
    console.print(Text(title, "bold"), soft_wrap=True)
    console.print(score_table({name: column for name, column in scores.items() if column}))
    matrix = confusion_matrix(records, task.facts)
    if matrix is not None:
        console.print(confusion_table(matrix, task.facts))
        console.print(calibration_table(calibration_bins(records, task.facts)))
    if settings.worst:
        console.print(worst_table(records, evaluation.rows.splits[settings.split], task, settings.worst))
