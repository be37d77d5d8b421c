"""The target for any number of labels per row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor

from hone.core.columns import read_column
from hone.core.metric import Columns, Metric
from hone.core.task import Facts, Fault
from hone.tasks.metrics import classes
from hone.tasks.metrics.ranks import AUROC
from hone.tasks.metrics.scalars import ACCURACY
from hone.tasks.targets.base import Target, TargetOptions
from hone.tasks.targets.classes import (
    class_name,
    class_names,
    format_scores,
    join_facts,
    label_problem,
    list_class_weights,
    mixed_label_problems,
    require_two_classes,
    scores_by_name,
)


@final
class MultiLabel(Target):
    """Predicts each class by its own sigmoid; the loss of a row is the mean over the classes."""

    problem_type: ClassVar[str] = "multi_label_classification"
    monitor: ClassVar[str] = "f1_macro"

    def __init__(self, facts: Facts, options: TargetOptions) -> None:
        require_two_classes(facts)
        self.facts = facts
        self.smoothing = options.label_smoothing
        self.threshold = options.threshold
        self.class_weights = torch.tensor(list_class_weights(options.class_weights, facts))
        self.ids = {name: index for index, name in enumerate(facts.labels)}

    @classmethod
    def find_facts(cls, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        lists = [row for row in read_column(rows, "label") if row is not None]
        counts = Counter(class_name(label) for row in lists for label in row if label is not None)
        labels = class_names(counts, names)
        return Facts("multi_label", labels, tuple(counts[name] for name in labels), {"rows": len(lists)})

    @classmethod
    def join(cls, first: Facts, second: Facts, names: tuple[str, ...] | None) -> Facts:
        return join_facts(first, second, names)

    @classmethod
    def find_faults(cls, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        lists = read_column(rows, "label")
        flat = [
            (row, label) for row, labels in enumerate(lists) if isinstance(labels, list | tuple) for label in labels
        ]
        for place, mixed in mixed_label_problems([label for _, label in flat]):
            yield Fault(flat[place][0], "label", mixed)
        for row, labels in enumerate(lists):
            if not isinstance(labels, list | tuple):
                yield Fault(row, "label", f"expected a list of labels, not {labels!r}")
                continue
            for label in labels:
                problem = "a label is missing" if label is None else label_problem(class_name(label), facts)
                if problem:
                    yield Fault(row, "label", problem)

    def encode(self, labels: Sequence[Any]) -> list[Any]:
        return [sorted({self.ids[class_name(label)] for label in row}) for row in labels]

    def tensor(self, encoded: Sequence[Any]) -> Tensor:
        hits = torch.zeros(len(encoded), len(self.facts.labels))
        for row, ids in enumerate(encoded):
            hits[row, list(ids)] = 1.0
        return hits

    def weights(self, labels: Tensor) -> Tensor:
        return labels.new_ones(len(labels))

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        smooth = labels.to(logits) * (1 - self.smoothing) + self.smoothing / 2
        losses = F.binary_cross_entropy_with_logits(logits, smooth, self.class_weights.to(logits), reduction="none")
        return losses.mean(dim=-1)

    def decide(self, logits: Tensor) -> Columns:
        scores = logits.sigmoid()
        return {"prediction": (scores > self.threshold).long().cpu().numpy(), "scores": scores.cpu().numpy()}

    def metrics(self) -> Mapping[str, Metric]:
        return {"accuracy": ACCURACY, **classes.multi_label_metrics(self.facts.labels), "auroc": AUROC}

    def baseline(self, records: Columns) -> Columns:
        frequency = np.array(self.facts.counts) / self.facts.numbers["rows"]
        rows = len(records["label"])
        prediction = (frequency > self.threshold).astype(int)
        return records | {"scores": np.tile(frequency, (rows, 1)), "prediction": np.tile(prediction, (rows, 1))}

    def describe(self, record: Mapping[str, Any]) -> str:
        return format_scores(self.facts.labels, record["scores"], np.flatnonzero(record["prediction"])) or "none"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        labels = [self.facts.labels[index] for index in np.flatnonzero(record["prediction"])]
        return {"labels": labels, "scores": scores_by_name(self.facts.labels, record["scores"])}
