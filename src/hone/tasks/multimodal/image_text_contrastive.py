"""Contrastive learning of pictures and texts, as in CLIP and SigLIP: vectors of a picture and its texts become alike.

The other rows of a batch are the examples of what does not belong together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset, LargeList, List
from torch import Tensor, nn

from hone.core.columns import read_column
from hone.core.draws import Draws
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.core.value_types import Count
from hone.data.media.file import MediaFile
from hone.data.media.images import decode, image_faults
from hone.data.tiny.coloured_shapes import described_examples
from hone.tasks.metrics.image_text import image_text_metrics, pair_records
from hone.tasks.metrics.retrieval import mark_rivals, text_key
from hone.tasks.multimodal.shared.encoders import (
    ComparedPairs,
    PairReader,
    compares_by_sigmoid,
    picture_vectors,
    require_pair,
)
from hone.tasks.text.shared.texts import text_faults
from hone.tasks.usage_snippets import pipeline_snippet, to_literal
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.pixels import require_shapes
from hone.tasks.vision.shared.samples import Sample


@final
@dataclass(eq=False)
class ImageTextContrastive(Task, AugmentOptions):
    """The contrastive task. Its fields are the options in `conf/task/image_text_contrastive.yaml`."""

    max_length: Count | None = None
    candidates: Count = 5000
    group: Count = 32

    roles: ClassVar[tuple[str, ...]] = ("image", "text")
    targets: ClassVar[tuple[str, ...]] = ("text",)
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    auto_model: ClassVar[str] = "AutoModelForZeroShotImageClassification"
    auto_processor: ClassVar[str] = "AutoProcessor"
    pipeline: ClassVar[str] = "zero-shot-image-classification"
    monitor: ClassVar[str] = "mean_recall"
    independent_rows: ClassVar[bool] = False

    @cached_property
    def reader(self) -> PairReader:
        """How pictures and texts are read."""
        return PairReader(self.processor, self.max_length)

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("unlabelled")

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return facts

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        if "text" in rows.column_names:
            has_lists = isinstance(rows.features["text"], List | LargeList)
            yield from _faults_of_lists(rows) if has_lists else text_faults(rows, "text")

    def check(self, facts: Facts) -> None:
        return

    def configure_processor(self, processor: Any) -> None:
        require_pair(processor)

    def model_config(self) -> dict[str, Any]:
        return {}

    def encode(self, rows: Columns) -> Columns:
        require_shapes(self.reader.picture_processor, rows["image"])
        if "text" not in rows:
            return {"id": rows["id"], "length": [1] * len(rows["id"])}
        texts = [[text] if isinstance(text, str) else list(text) for text in rows["text"]]
        # First the first text of every picture, so that batches in this order have few pictures twice.
        places = [row for turn in zip_longest(*map(_places, range(len(texts)), texts)) for row in turn if row]
        tokens = self.reader.tokenise([texts[row][number] for row, number in places])
        image_keys = list(map(_file_key, rows["image"]))
        return {
            "id": [rows["id"][row] for row, _ in places],
            "length": list(map(len, tokens)),
            "input_ids": tokens,
            "image_key": [image_keys[row] for row, _ in places],
            "text_key": list(map(text_key, tokens)),
        }

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        pictures = [decode(file) for file in rows["image"]]
        if draws.training and self.is_augmenting:
            samples = (self.augment(Sample(picture), draws.row(place)) for place, picture in enumerate(pictures))
            pictures = [sample.picture for sample in samples]
        batch: Batch = {"id": rows["id"], "inputs": self.reader.picture_inputs(pictures)}
        if "input_ids" not in rows:
            return batch
        batch["inputs"] |= self.reader.text_inputs(rows["input_ids"])
        keys = np.stack([np.asarray(rows["image_key"]), np.asarray(rows["text_key"])])
        rivals = {"text_rivals": mark_rivals(keys), "image_rivals": mark_rivals(keys[::-1])}
        return batch | {"keys": keys, **{name: torch.from_numpy(marks) for name, marks in rivals.items()}}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return _losses(network, ComparedPairs.of(network, batch["inputs"]), batch).mean()

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["id"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        if "keys" not in batch:
            return {"id": batch["id"], "prediction": picture_vectors(network, batch["inputs"]).cpu().numpy()}
        compared = ComparedPairs.of(network, batch["inputs"])
        losses = _losses(network, compared, batch).cpu().double().numpy()
        return {
            "id": batch["id"],
            "prediction": compared.pictures.cpu().numpy(),
            "text_vector": compared.texts.cpu().numpy(),
            "image_key": batch["keys"][0],
            "text_key": batch["keys"][1],
            "loss": losses,
            "targets": np.ones(len(losses)),
        }

    def merge(self, predictions: Columns) -> Columns:
        return pair_records(predictions, self.candidates, self.group) if "text_key" in predictions else predictions

    def metrics(self) -> Mapping[str, Metric]:
        return image_text_metrics()

    def describe(self, record: Mapping[str, Any]) -> str:
        if "text_rank" not in record:
            return f"{len(record['prediction'])} numbers"
        return f"cosine {float(record['similarity']):.3f}, its text has rank {int(record['text_rank'])}"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if "text_rank" in record:
            return {"similarity": float(record["similarity"]), "text_rank": int(record["text_rank"])}
        return {"embedding": [float(number) for number in record["prediction"]]}

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        labels = to_literal(["a red circle", "a blue star"])
        return pipeline_snippet(self.pipeline, place, f'"picture.png", candidate_labels={labels}')

    @classmethod
    def sample(cls) -> Columns:
        return described_examples(8)


def _losses(network: nn.Module, compared: ComparedPairs, batch: Batch) -> Tensor:
    """Return the loss of each pair. Pictures and texts that also belong together are no examples of the opposite."""
    logits = compared.logits
    own = torch.arange(len(logits), device=logits.device)
    if compares_by_sigmoid(network):
        together = ~batch["image_rivals"] | torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        return -F.logsigmoid(torch.where(together, logits, -logits)).sum(dim=1)
    of_texts = F.cross_entropy(logits.masked_fill(~batch["image_rivals"], -torch.inf), own, reduction="none")
    of_pictures = F.cross_entropy(logits.T.masked_fill(~batch["text_rivals"], -torch.inf), own, reduction="none")
    return (of_texts + of_pictures) / 2


def _places(row: int, texts: Sequence[str]) -> list[tuple[int, int]]:
    return [(row, number) for number in range(len(texts))]


def _file_key(file: MediaFile) -> int:
    """Return a number that identifies a picture by its path or its content."""
    content = file.content if file.content is not None else (file.path or "").encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


def _faults_of_lists(rows: Dataset) -> Iterator[Fault]:
    """Yield the rows whose list of texts is missing, empty, or has something else than texts."""
    for row, texts in enumerate(read_column(rows, "text")):
        if texts is None or not len(texts):
            yield Fault(row, "text", "there are no texts")
        elif any(not isinstance(text, str) or not text.strip() for text in texts):
            yield Fault(row, "text", "one of its texts is missing or empty")
