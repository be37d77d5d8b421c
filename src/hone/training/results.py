"""What a finished training leaves: scores of the best weights, one record per example, and a plain model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lightning.fabric import Fabric

from hone.core.contributions import Contributions
from hone.core.scores import baseline_scores, metrics_of
from hone.core.task import Columns
from hone.core.value_types import Split
from hone.models.adapters import Adapter
from hone.runs.folder import Folder
from hone.training.assemble import Assembled
from hone.training.evaluation import predict
from hone.training.progress import RunProgress
from hone.training.saving import save_model, save_split

Scores = dict[str, float]


def conclude(
    fabric: Fabric,
    adapter: Adapter,
    assembled: Assembled,
    progress: RunProgress,
    folder: Folder,
    splits: Sequence[Split],
) -> None:
    """Score the best weights on the splits, and store records, scores and the model."""
    network, module = assembled.network, assembled.state.module
    progress.choose_best(assembled.state)
    module.network = folded = adapter.fold(network)
    records = progress.best_records if folded is network else {}  # merged weights round differently
    progress.concluded(*_score_splits(fabric, assembled, folder, splits, records, progress))
    if fabric.is_global_zero:
        save_model(module.network, assembled.task.processor, assembled.task.facts, folder.model)
    fabric.barrier()


def _score_splits(
    fabric: Fabric,
    assembled: Assembled,
    folder: Folder,
    splits: Sequence[Split],
    best_records: Mapping[str, Columns],
    progress: RunProgress,
) -> tuple[Scores, Scores]:
    """Return the scores and those of the baseline.

    `best_records` has what an evaluation predicted with the same weights."""
    task, data = assembled.task, assembled.data
    scores: Scores = {}
    baseline: Scores = {}
    for split in [split for split in splits if split in data.splits]:
        records = best_records.get(split) or predict(fabric, assembled.state.wrapped, data, split)
        progress.count_left_out(assembled.state.left_out)
        contributions = Contributions.of(metrics_of(task), records)
        scores |= {f"{split}/{name}": value for name, value in contributions.scores().items()}
        baseline |= {f"{split}/{name}": value for name, value in baseline_scores(task, records).items()}
        if fabric.is_global_zero:
            save_split(folder, split, task, contributions)
        if split != "validation":  # the evaluations have shown it
            progress.examined(split, records)
    return scores, baseline
