"""Text classification: predict one label, any number of labels, or a number for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, final

from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import ClassWeights, Count, Kind, PartialShare, Share
from hone.tasks.targets.base import Target, TargetOptions
from hone.tasks.targets.classes import class_config
from hone.tasks.targets.kinds import facts_from_config, guess_kind, target_class
from hone.tasks.text.shared.padding import pad_inputs, stack_features
from hone.tasks.text.shared.texts import require_padded_room, require_room, require_uncut_room, text_faults, token_limit
from hone.tasks.usage_snippets import pipeline_snippet, to_literal


@final
@dataclass(eq=False)
class TextClassification(Task):
    """The text classification task. Its fields are the options in `conf/task/text_classification.yaml`."""

    kind: Kind = "auto"
    max_length: Count | None = None
    truncation: Literal["longest_first", "only_first", "only_second", "do_not_truncate"] = "longest_first"
    truncation_side: Literal["right", "left"] = "right"
    padding: Literal["longest", "max_length"] = "longest"
    pad_to_multiple_of: Count | None = None
    class_weights: ClassWeights = None
    label_smoothing: PartialShare = 0.0
    threshold: Share = 0.5

    roles: ClassVar[tuple[str, ...]] = ("text", "label")
    optional_roles: ClassVar[tuple[str, ...]] = ("text_pair",)
    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"
    pipeline: ClassVar[str] = "text-classification"

    @cached_property
    def target(self) -> Target:
        """The kind of label that the training rows have."""
        return self._target(self.facts)

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        kind = guess_kind(rows, names) if self.kind == "auto" else self.kind
        return target_class(kind).find_facts(rows, names)

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        target = target_class(facts.kind)
        return target.join(facts, target.find_facts(rows, names), names)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for role in ("text", "text_pair"):
            if role in rows.column_names:
                yield from text_faults(rows, role)
        if "label" in rows.column_names:
            yield from target_class(facts.kind).find_faults(rows, facts)

    def check(self, facts: Facts) -> None:
        self._target(facts)

    def configure_processor(self, processor: Any) -> None:
        processor.truncation_side = self.truncation_side

    def model_config(self) -> dict[str, Any]:
        return {**class_config(self.facts.labels), "problem_type": self.target.problem_type}

    def encode(self, rows: Columns) -> Columns:
        limit = token_limit(self.processor, self.max_length)
        cuts = self.truncation != "do_not_truncate"
        self._require_uncut_room(rows, limit)
        tokens = self.processor(
            rows["text"],
            rows.get("text_pair"),
            truncation=self.truncation if cuts else False,
            max_length=limit if cuts else None,
            return_attention_mask=False,
            return_token_type_ids="text_pair" in rows and "token_type_ids" in self.processor.model_input_names,
            verbose=False,
        )
        lengths = [len(ids) for ids in tokens["input_ids"]]
        require_room(rows["id"], "text", lengths, limit, f"task.truncation={self.truncation}")
        width = limit if self.padding == "max_length" else max(lengths)
        require_padded_room(self.processor, width, self.pad_to_multiple_of)
        labels = {"label": self.target.encode(rows["label"])} if "label" in rows else {}
        return {"id": rows["id"], "length": lengths, **tokens, **labels}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        batch: Batch = {"id": rows["id"], "inputs": self._inputs(rows)}
        return batch | ({"labels": self.target.tensor(rows["label"])} if "label" in rows else {})

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        logits = network(**batch["inputs"]).logits.float()
        return self.target.losses(logits, batch["labels"]).sum() / self.target.weights(batch["labels"]).sum()

    def count_targets(self, batch: Batch) -> float:
        return float(self.target.weights(batch["labels"]).sum())

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

    def baseline(self, records: Columns) -> Columns:
        return self.target.baseline(records)

    def describe(self, record: Mapping[str, Any]) -> str:
        return self.target.describe(record)

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return self.target.outcome(record)

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return facts_from_config(config)

    def example(self, place: str) -> str:
        note = '  # for a pair of texts: {"text": "…", "text_pair": "…"}'
        return pipeline_snippet(self.pipeline, place, to_literal(self.question()["text"])) + note

    @classmethod
    def sample(cls) -> Columns:
        return {
            "text": ["what a lovely day", "this is dreadful", "i could not be happier", "so sad it is over"],
            "label": ["good", "bad", "good", "bad"],
        }

    def _target(self, facts: Facts) -> Target:
        options = TargetOptions(self.class_weights, self.label_smoothing, self.threshold)
        return target_class(facts.kind)(facts, options)

    def _require_uncut_room(self, rows: Columns, limit: int) -> None:
        """Raise an error if the half of a pair that is never cut is too long."""
        if self.truncation not in ("only_first", "only_second"):
            return
        uncut = "text_pair" if self.truncation == "only_first" else "text"
        if "text_pair" in rows:
            require_uncut_room(self.processor, rows["id"], uncut, rows[uncut], limit, self.truncation)
        elif uncut == "text":
            raise UserError(
                "task.truncation=only_second: the rows have no second text (dataset.columns.text_pair). "
                "Use task.truncation=longest_first."
            )

    def _inputs(self, rows: Columns) -> dict[str, Tensor]:
        if "features" in rows:
            return stack_features(rows["features"])
        return pad_inputs(
            rows,
            self.processor,
            width=token_limit(self.processor, self.max_length) if self.padding == "max_length" else None,
            multiple=self.pad_to_multiple_of,
        )
