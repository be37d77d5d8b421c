"""Visual question answering: choose the answer to a question about a picture among the usual answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.errors import UnsuitableRows, UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.core.value_types import Count
from hone.data.media.images import image_faults
from hone.data.tiny.questions import question_examples
from hone.tasks.metrics.scalars import mean_of
from hone.tasks.metrics.vqa import score_answers, vqa_accuracy
from hone.tasks.multimodal.shared.answers import answer_faults, beginning_of, find_answers, read_answers
from hone.tasks.multimodal.shared.pictures import read_pictures, row_generators, to_inputs
from hone.tasks.padding import pad_inputs
from hone.tasks.targets.classes import class_config
from hone.tasks.targets.kinds import label_names
from hone.tasks.text.shared.texts import text_faults, token_limit
from hone.tasks.usage_snippets import visual_question_snippet
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.pixels import require_shapes

_TOP = 5
"""How many answers a prediction names."""


@final
@dataclass(eq=False)
class VisualQuestionAnswering(AugmentOptions, Task):
    """The task of answering questions about pictures. Its fields are the options in
    `conf/task/visual_question_answering.yaml`."""

    max_answers: Count = 3129
    max_length: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("image", "question", "answers")
    targets: ClassVar[tuple[str, ...]] = ("answers",)
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForVisualQuestionAnswering"
    auto_processor: ClassVar[str] = "AutoProcessor"
    pipeline: ClassVar[str] = "visual-question-answering"
    monitor: ClassVar[str] = "accuracy"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return find_answers(rows, self.max_answers, names)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        yield from text_faults(rows, "question")
        if "answers" in rows.column_names:
            yield from answer_faults(rows)

    def check(self, facts: Facts) -> None:
        if len(facts.labels) < 2:
            raise UnsuitableRows(f"a choice needs two answers, and the training rows have {len(facts.labels)}.")

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("answers", label_names(config))

    def model_config(self) -> dict[str, Any]:
        return class_config(self.facts.labels)

    def read_config(self, config: PretrainedConfig) -> None:
        """Raise UserError for a network that does not choose among answers, or that does not read the whole picture."""
        if config.model_type != "vilt":
            raise UserError(
                f"checkpoint: visual_question_answering chooses among answers, as ViLT does, and a {config.model_type} "
                f"writes them, which hone does not train. Choose checkpoint=vilt."
            )
        most = getattr(config, "max_image_length", -1)
        if most > 0:
            raise UserError(
                f"checkpoint.hyperparameters.max_image_length={most}: the network would read a random part of pictures "
                f"that have more patches. Set it to -1."
            )

    def encode(self, rows: Columns) -> Columns:
        tokenizer = self.processor.tokenizer
        require_shapes(self.processor.image_processor, rows["image"])
        limit = token_limit(tokenizer, self.max_length)
        tokens = tokenizer(
            list(rows["question"]), truncation=True, max_length=limit, return_attention_mask=False, verbose=False
        )
        # A question is short beside a picture, so that all rows cost about the same.
        encoded: Columns = {"id": rows["id"], "length": [1] * len(rows["id"]), "question": rows["question"], **tokens}
        if "answers" not in rows:
            return encoded
        answers = [read_answers(value) for value in rows["answers"]]
        places = {label: place for place, label in enumerate(self.facts.labels)}
        scores = [{places[answer]: score for answer, score in score_answers(each).items() if answer in places}
                  for each in answers]  # fmt: skip
        return encoded | {
            "answers": answers,
            "places": [np.array([*each], dtype=np.int64) for each in scores],
            "scores": [np.array([*each.values()], dtype=np.float64) for each in scores],
        }

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        pictures = read_pictures(rows["image"], self, row_generators(draws, len(rows["id"])))
        inputs = pad_inputs(rows, self.processor.tokenizer, width=None, multiple=None)
        inputs |= to_inputs(self.processor.image_processor, pictures)
        batch: Batch = {"id": rows["id"], "inputs": inputs, "question": list(rows["question"])}
        if "answers" not in rows:
            return batch
        labels = torch.zeros(len(pictures), len(self.facts.labels))
        for row, (places, scores) in enumerate(zip(rows["places"], rows["scores"], strict=True)):
            labels[row, torch.from_numpy(np.array(places, dtype=np.int64))] = torch.from_numpy(np.float32(scores))
        return batch | {"labels": labels, "answers": [[*each] for each in rows["answers"]]}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return _losses(network(**batch["inputs"]).logits, batch["labels"]).mean()

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["labels"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        with torch.random.fork_rng(devices=[]):  # ViLT reads the patches of a picture in a random order
            torch.default_generator.manual_seed(0)
            logits = network(**batch["inputs"]).logits.float()
        best = logits.sigmoid().topk(min(_TOP, logits.shape[1]))
        places, scores = best.indices.cpu().numpy(), best.values.cpu().numpy()
        names = [[self.facts.labels[place] for place in row] for row in places]
        records: Columns = {
            "id": batch["id"], "question": batch["question"], "prediction": [row[0] for row in names],
            "best": names, "scores": [*scores],
        }  # fmt: skip
        if "labels" not in batch:
            return records
        return records | {
            "answers": batch["answers"],
            "reachable": batch["labels"].amax(dim=1).double().cpu().numpy(),
            "loss": _losses(logits, batch["labels"]).double().cpu().numpy(),
            "targets": np.ones(len(batch["labels"])),
        }

    def metrics(self) -> Mapping[str, Metric]:
        """Return the accuracy, and that of a model which always chooses the best of its answers."""
        return {"accuracy": vqa_accuracy(), "reachable": mean_of("reachable")}

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that knows the beginning of the question, and nothing of the picture."""
        usual = self.facts.numbers
        places = [int(usual.get(beginning_of(question), 0)) for question in records["question"]]
        return records | {"prediction": [self.facts.labels[place] for place in places]}

    def describe(self, record: Mapping[str, Any]) -> str:
        return f"{record['prediction']} ({record['scores'][0]:.2f})"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        scores = [float(score) for score in record["scores"]]
        return {
            "answer": record["prediction"],
            "score": scores[0],
            "scores": dict(zip(record["best"], scores, strict=True)),
        }

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png", "question": self.sample()["question"][0]}

    def example(self, place: str) -> str:
        return visual_question_snippet(place, self.question()["image"], self.question()["question"])

    @classmethod
    def sample(cls) -> Columns:
        return question_examples(8)


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each row: the sum over all answers."""
    return F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none").sum(dim=1)
