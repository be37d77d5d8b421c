"""Token classification: predict a tag per word, which marks spans (entities) or single words (parts of speech)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import Count, PartialShare
from hone.tasks.metrics.spans import group_entities, read_tag
from hone.tasks.padding import pad_inputs, pad_rows
from hone.tasks.targets.classes import class_config, class_name, require_two_classes
from hone.tasks.text.shared.tags import (
    find_tags,
    require_scheme,
    split_words,
    tag_facts_from_config,
    tag_faults,
    tag_metrics,
    word_faults,
)
from hone.tasks.text.shared.texts import require_room, token_limit
from hone.tasks.text.shared.word_pieces import (
    find_first_pieces,
    label_pieces,
    prepare_tokenizer,
    shift_places,
    tokenise_words,
)
from hone.tasks.usage_snippets import pipeline_snippet, to_literal

_IGNORED = -100
"""The label of tokens that have no loss."""


@final
@dataclass(eq=False)
class TokenClassification(Task):
    """The token classification task. Its fields are the options in `conf/task/token_classification.yaml`."""

    kind: Literal["auto", "spans", "tags"] = "auto"
    max_length: Count | None = None
    truncation: bool = True
    label_all: bool = False
    label_smoothing: PartialShare = 0.0

    roles: ClassVar[tuple[str, ...]] = ("words", "label")
    lists: ClassVar[tuple[str, ...]] = ("words",)
    auto_model: ClassVar[str] = "AutoModelForTokenClassification"
    pipeline: ClassVar[str] = "token-classification"

    @cached_property
    def tags(self) -> list[tuple[str, str]]:
        """The mark and the type of each tag."""
        return [read_tag(label) for label in self.facts.labels]

    @cached_property
    def default(self) -> int:
        """The tag predicted for a word that was cut off: outside of all spans, or the most frequent tag."""
        outside = self.facts.kind == "spans" and "O" in self.facts.labels
        return self.facts.labels.index("O") if outside else int(np.argmax(self.facts.counts))

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return find_tags(rows, names, self.kind)

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return find_tags(rows, names, self.kind, facts)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from word_faults(rows)
        if "label" in rows.column_names:
            yield from tag_faults(rows, facts)

    def check(self, facts: Facts) -> None:
        require_two_classes(facts)
        if facts.kind == "spans":
            require_scheme(facts)

    def configure_processor(self, processor: Any) -> None:
        prepare_tokenizer(processor)

    def model_config(self) -> dict[str, Any]:
        return class_config(self.facts.labels)

    def encode(self, rows: Columns) -> Columns:
        words = [split_words(row) for row in rows["words"]]
        limit = token_limit(self.processor, self.max_length)
        ids, owners = tokenise_words(self.processor, words, limit if self.truncation else None)
        lengths = [len(row) for row in ids]
        require_room(rows["id"], "words", lengths, limit, "task.truncation=false")
        first = [find_first_pieces(owner, len(row)) for owner, row in zip(owners, words, strict=True)]
        encoded = {"id": rows["id"], "length": lengths, "input_ids": ids, "first": first, "words": words}
        if "label" not in rows:
            return encoded
        places = {name: place for place, name in enumerate(self.facts.labels)}
        labels = [[places[class_name(tag)] for tag in row] for row in rows["label"]]
        further = self._further(places)
        targets = [label_pieces(owner, row, further) for owner, row in zip(owners, labels, strict=True)]
        return {**encoded, "label": labels, "target": targets}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        inputs = pad_inputs(rows, self.processor, None, None)
        width, left = inputs["input_ids"].shape[1], self.processor.padding_side == "left"
        starts = [width - len(ids) if left else 0 for ids in rows["input_ids"]]
        first = [shift_places(row, start) for row, start in zip(rows["first"], starts, strict=True)]
        batch: Batch = {"id": rows["id"], "inputs": inputs, "first": first, "words": rows["words"]}
        if "label" not in rows:
            return batch
        return batch | {"labels": pad_rows(rows["target"], _IGNORED, width, left), "label": rows["label"]}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        labels: Tensor = batch["labels"]
        losses = self._losses(network(**batch["inputs"]).logits, labels)
        return losses.sum() / (labels != _IGNORED).sum().clamp(min=1)

    def count_targets(self, batch: Batch) -> float:
        return float((batch["labels"] != _IGNORED).sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = network(**batch["inputs"]).logits
        highest, best = (part.cpu().numpy() for part in logits.float().softmax(dim=-1).max(dim=-1))
        rows = list(zip(batch["first"], highest, best, strict=True))
        predictions = {
            "id": batch["id"],
            "words": batch["words"],
            "prediction": [np.where(first < 0, self.default, tag[first]).tolist() for first, _, tag in rows],
            "scores": [np.where(first < 0, 0.0, score[first]).tolist() for first, score, _ in rows],
        }
        if "labels" not in batch:
            return predictions
        return predictions | {
            "label": [np.asarray(row).tolist() for row in batch["label"]],
            "loss": self._losses(logits, batch["labels"]).sum(dim=1).cpu().double().numpy(),
            "targets": (batch["labels"] != _IGNORED).sum(dim=1).cpu().double().numpy(),
        }

    @property
    def monitor(self) -> str:
        return "f1" if self.facts.kind == "spans" else "f1_macro"

    def metrics(self) -> Mapping[str, Metric]:
        return tag_metrics(self.facts)

    def baseline(self, records: Columns) -> Columns:
        return records | {"prediction": [[self.default] * len(row) for row in records["label"]]}

    def describe(self, record: Mapping[str, Any]) -> str:
        outcome = self.outcome(record)
        if self.facts.kind == "spans":
            entities = outcome["entities"]
            spans = (f"{entity['word']} ({entity['entity_group']} {entity['score']:.2f})" for entity in entities)
            return ", ".join(spans) or "nothing"
        return " ".join(f"{word}/{tag}" for word, tag in zip(record["words"], outcome["tags"], strict=True))

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        words, scores, places = (list(record[name]) for name in ("words", "scores", "prediction"))
        tags = {"tags": [self.facts.labels[place] for place in places]}
        if self.facts.kind == "spans":
            return {"entities": group_entities([self.tags[place] for place in places], words, scores), **tags}
        return {**tags, "scores": scores}

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return tag_facts_from_config(config, self.kind)

    def example(self, place: str) -> str:
        text = to_literal(" ".join(self.question()["words"]))
        return pipeline_snippet(self.pipeline, place, text, aggregation_strategy="first")

    @classmethod
    def sample(cls) -> Columns:
        return {
            "words": [
                ["anna", "lives", "in", "berlin"],
                ["the", "unbelievable", "journey", "of", "maria", "stuart", "ends", "here"],
                ["nothing", "to", "see", "in", "here"],
                ["bob", "met", "carl", "in", "new", "york"],
            ],
            "label": [
                ["B-PER", "O", "O", "B-LOC"],
                ["O", "O", "O", "O", "B-PER", "I-PER", "O", "O"],
                ["O"] * 5,
                ["B-PER", "O", "B-PER", "O", "B-LOC", "I-LOC"],
            ],
        }

    def _further(self, places: Mapping[str, int]) -> list[int]:
        """Return, for each tag, the label of a word's sub-words after the first; after B-LOC, that is I-LOC."""
        if not self.label_all:
            return [_IGNORED] * len(places)
        if self.facts.kind == "tags":
            return list(places.values())
        names = [f"I{label[1:]}" if mark == "B" else label for label, (mark, _) in zip(places, self.tags, strict=True)]
        return [places.get(name, place) for name, place in zip(names, places.values(), strict=True)]

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each token, 0 for tokens without a label."""
        classes = logits.float().transpose(1, 2)
        smoothing = self.label_smoothing
        return F.cross_entropy(classes, labels, reduction="none", ignore_index=_IGNORED, label_smoothing=smoothing)
