"""Naming pictures by texts: the label whose text fits a picture best. A network needs no training on the labels.

With training, the texts of the labels are pushed towards their pictures, and away from those of other labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.errors import UserError, join_names
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.data.media.images import decode, image_faults
from hone.data.tiny.coloured_shapes import unseen_examples
from hone.tasks.multimodal.shared.encoders import ComparedPairs, PairReader, compares_by_sigmoid, require_pair
from hone.tasks.targets.base import TargetOptions
from hone.tasks.targets.classes import class_config
from hone.tasks.targets.kinds import label_names
from hone.tasks.targets.single_label import SingleLabel
from hone.tasks.usage_snippets import pipeline_snippet, to_literal
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.pixels import require_shapes
from hone.tasks.vision.shared.samples import Sample


@final
@dataclass(eq=False)
class ZeroShotImageClassification(Task, AugmentOptions):
    """The task of naming pictures. Its fields are the options in `conf/task/zero_shot_image_classification.yaml`."""

    template: str = "a photo of a {}"
    labels: list[str] | None = None

    roles: ClassVar[tuple[str, ...]] = ("image", "label")
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForZeroShotImageClassification"
    auto_processor: ClassVar[str] = "AutoProcessor"
    pipeline: ClassVar[str] = "zero-shot-image-classification"
    monitor: ClassVar[str] = SingleLabel.monitor

    @cached_property
    def reader(self) -> PairReader:
        """How pictures and texts are read."""
        return PairReader(self.processor)

    @cached_property
    def target(self) -> SingleLabel:
        """The labels to choose from."""
        return SingleLabel(self.facts, TargetOptions())

    @cached_property
    def prompts(self) -> dict[str, Tensor]:
        """The texts about the labels, as the network reads them. Raise UserError where one is too long."""
        tokenizer, tokens = self.reader.tokenizer, []
        for label in self.facts.labels:
            ids = tokenizer(self.template.replace("{}", label), verbose=False)["input_ids"]
            if len(ids) > self.reader.limit:
                raise UserError(
                    f"label {label[:60]!r}: with task.template around it, it has {len(ids)} tokens, and the network "
                    f"takes {self.reader.limit}. Choose a shorter label."
                )
            tokens.append(ids)
        return self.reader.text_inputs(tokens)

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        facts = SingleLabel.find_facts(rows, names if self.labels is None else tuple(self.labels))
        # A label without training rows can be chosen like any other.
        return Facts(facts.kind, facts.labels, tuple(max(count, 1) for count in facts.counts))

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return SingleLabel.join(facts, self.find_facts(rows, names), names)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        if "label" in rows.column_names:
            yield from SingleLabel.find_faults(rows, facts)

    def check(self, facts: Facts) -> None:
        if "{}" not in self.template:
            raise UserError(f"task.template={self.template!r}: it has no braces {{}} that a label could replace.")
        given = self.labels
        if given is not None and len(set(given)) < max(len(given), 2):
            raise UserError(f"task.labels={join_names(given)}: expected at least two different labels.")
        if facts.kind != "single_label":
            raise UserError("task.labels: give the labels to choose from, such as 'task.labels=[cat,dog]'.")
        if given is not None and tuple(given) != facts.labels:
            raise UserError(
                f"task.labels: this model was trained for {join_names(facts.labels)}. For other labels give "
                f"zero_shot=[…] instead."
            )
        SingleLabel(facts, TargetOptions())

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        own = label_names(config)  # transformers' placeholders, unless the network was trained for these labels
        is_named = any(not name.startswith("LABEL_") for name in own)
        labels = self.labels or (list(own) if is_named else None)
        return Facts("unlabelled") if labels is None else candidate_facts(labels)

    def configure_processor(self, processor: Any) -> None:
        require_pair(processor)

    def model_config(self) -> dict[str, Any]:
        return class_config(self.facts.labels)

    def encode(self, rows: Columns) -> Columns:
        require_shapes(self.reader.picture_processor, rows["image"])
        encoded = {"id": rows["id"], "length": [1] * len(rows["id"])}
        return encoded | ({"label": self.target.encode(rows["label"])} if "label" in rows else {})

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        pictures = [decode(file) for file in rows["image"]]
        if draws.training and self.is_augmenting:
            samples = (self.augment(Sample(picture), draws.row(place)) for place, picture in enumerate(pictures))
            pictures = [sample.picture for sample in samples]
        batch: Batch = {"id": rows["id"], "inputs": self.reader.picture_inputs(pictures) | self.prompts}
        return batch | ({"labels": self.target.tensor(rows["label"])} if "label" in rows else {})

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return self.target.losses(_logits(network, batch), batch["labels"]).mean()

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["id"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = _logits(network, batch)
        predictions = {"id": batch["id"], **self.target.decide(logits)}
        if compares_by_sigmoid(network):
            predictions["scores"] = torch.sigmoid(logits).cpu().numpy()
        if "labels" not in batch:
            return predictions
        losses = self.target.losses(logits, batch["labels"]).cpu().double().numpy()
        label = batch["labels"].cpu().numpy()
        return predictions | {"label": label, "loss": losses, "targets": torch.ones(len(losses)).double().numpy()}

    def metrics(self) -> Mapping[str, Metric]:
        return self.target.metrics()

    def baseline(self, records: Columns) -> Columns:
        return self.target.baseline(records)

    def describe(self, record: Mapping[str, Any]) -> str:
        return self.target.describe(record)

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return self.target.outcome(record)

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        options = {"candidate_labels": list(self.facts.labels), "hypothesis_template": self.template}
        arguments = "".join(f", {name}={to_literal(value)}" for name, value in options.items())
        return pipeline_snippet(self.pipeline, place, f'"picture.png"{arguments}')

    @classmethod
    def sample(cls) -> Columns:
        return unseen_examples(8)


def candidate_facts(labels: list[str]) -> Facts:
    """Return the facts about labels to choose from, which occur equally often as far as anything says."""
    return Facts("single_label", tuple(labels), (1,) * len(labels))


def _logits(network: nn.Module, batch: Batch) -> Tensor:
    """Return how well each label's text fits each picture."""
    return ComparedPairs.of(network, batch["inputs"]).logits.T
