"""What classifiers of any input share: they predict one label, any number of labels, or a number for each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import ClassWeights, Kind, PartialShare, Share
from hone.tasks.targets.base import Target, TargetOptions
from hone.tasks.targets.classes import class_config
from hone.tasks.targets.kinds import facts_from_config, guess_kind, target_class


@dataclass(eq=False)
class Classification(Task):
    """The base of classifiers. A batch has `inputs` for the network, and `labels` unless it is to be predicted."""

    kind: Kind = "auto"
    class_weights: ClassWeights = None
    label_smoothing: PartialShare = 0.0
    threshold: Share = 0.5

    @cached_property
    def target(self) -> Target:
        """The kind of label that the training rows have."""
        return self._target(self.facts)

    @final
    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        kind = guess_kind(rows, names) if self.kind == "auto" else self.kind
        return target_class(kind).find_facts(rows, names)

    @final
    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        target = target_class(facts.kind)
        return target.join(facts, target.find_facts(rows, names), names)

    def check(self, facts: Facts) -> None:
        self._target(facts)

    @final
    def label_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        """Yield the rows whose label cannot be learned; rows to predict have none."""
        if "label" in rows.column_names:
            yield from target_class(facts.kind).find_faults(rows, facts)

    @final
    def encode_labels(self, rows: Columns) -> Columns:
        """Return the column of encoded labels; rows to predict have none."""
        return {"label": self.target.encode(rows["label"])} if "label" in rows else {}

    @final
    def label_tensor(self, rows: Columns) -> Batch:
        """Return the `labels` of a batch, given its encoded rows; rows to predict have none."""
        return {"labels": self.target.tensor(rows["label"])} if "label" in rows else {}

    @final
    def model_config(self) -> dict[str, Any]:
        return {**class_config(self.facts.labels), "problem_type": self.target.problem_type}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        logits = network(**batch["inputs"]).logits.float()
        return self.target.losses(logits, batch["labels"]).sum() / self.target.weights(batch["labels"]).sum()

    def count_targets(self, batch: Batch) -> float:
        return float(self.target.weights(batch["labels"]).sum())

    @final
    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = network(**batch["inputs"]).logits.float()
        predictions = {"id": batch["id"], **self.target.decide(logits)}
        if "labels" not in batch:
            return predictions
        return predictions | {
            "label": batch["labels"].cpu().numpy(),
            "loss": self.target.losses(logits, batch["labels"]).cpu().double().numpy(),
            "targets": self.target.weights(batch["labels"]).cpu().double().numpy(),
        }

    @property
    def monitor(self) -> str:
        return self.target.monitor

    def metrics(self) -> Mapping[str, Metric]:
        return self.target.metrics()

    @final
    def baseline(self, records: Columns) -> Columns:
        return self.target.baseline(records)

    @final
    def describe(self, record: Mapping[str, Any]) -> str:
        return self.target.describe(record)

    @final
    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return self.target.outcome(record)

    @final
    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return facts_from_config(config)

    def _target(self, facts: Facts) -> Target:
        options = TargetOptions(self.class_weights, self.label_smoothing, self.threshold)
        return target_class(facts.kind)(facts, options)
