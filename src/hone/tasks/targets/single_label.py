"""The target for exactly one label per row."""

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
class SingleLabel(Target):
    """Predicts one class by softmax and learns by cross-entropy."""

    problem_type: ClassVar[str] = "single_label_classification"
    monitor: ClassVar[str] = "f1_macro"

    def __init__(self, facts: Facts, options: TargetOptions) -> None:
        require_two_classes(facts)
        self.facts = facts
        self.smoothing = options.label_smoothing
        self.class_weights = torch.tensor(list_class_weights(options.class_weights, facts))
        self.ids = {name: index for index, name in enumerate(facts.labels)}

    @classmethod
    def find_facts(cls, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        counts = Counter(class_name(label) for label in read_column(rows, "label") if label is not None)
        labels = class_names(counts, names)
        return Facts("single_label", labels, tuple(counts[name] for name in labels))

    @classmethod
    def join(cls, first: Facts, second: Facts, names: tuple[str, ...] | None) -> Facts:
        return join_facts(first, second, names)

    @classmethod
    def find_faults(cls, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        labels = read_column(rows, "label")
        mixed = dict(mixed_label_problems(labels))
        for row, label in enumerate(labels):
            if isinstance(label, list | dict):
                yield Fault(row, "label", f"expected one label, not {label!r} (lists are for task.kind=multi_label)")
                continue
            problem = mixed.get(row) or (
                "the label is missing" if label is None else label_problem(class_name(label), facts)
            )
            if problem:
                yield Fault(row, "label", problem)

    def encode(self, labels: Sequence[Any]) -> list[Any]:
        return [self.ids[class_name(label)] for label in labels]

    def tensor(self, encoded: Sequence[Any]) -> Tensor:
        return torch.tensor(np.asarray(encoded), dtype=torch.int64)

    def weights(self, labels: Tensor) -> Tensor:
        return self.class_weights.to(labels.device)[labels]

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        weight = self.class_weights.to(logits)
        return F.cross_entropy(logits, labels, weight, reduction="none", label_smoothing=self.smoothing)

    def decide(self, logits: Tensor) -> Columns:
        scores = logits.softmax(dim=-1)
        return {"prediction": scores.argmax(dim=-1).cpu().numpy(), "scores": scores.cpu().numpy()}

    def metrics(self) -> Mapping[str, Metric]:
        return {"accuracy": ACCURACY, **classes.single_label_metrics(self.facts.labels), "auroc": AUROC}

    def baseline(self, records: Columns) -> Columns:
        frequency = np.array(self.facts.counts) / sum(self.facts.counts)
        rows = len(records["label"])
        return records | {"scores": np.tile(frequency, (rows, 1)), "prediction": np.full(rows, frequency.argmax())}

    def describe(self, record: Mapping[str, Any]) -> str:
        order = np.argsort(record["scores"])[::-1][:2]
        return format_scores(self.facts.labels, record["scores"], order)

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        scores = scores_by_name(self.facts.labels, record["scores"])
        label = self.facts.labels[int(record["prediction"])]
        return {"label": label, "score": scores[label], "scores": scores}
