"""Object detection: targets are lists of dicts, rows have any number of predictions, and a metric has two parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import transformers
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, YolosConfig, YolosImageProcessorPil

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric, PlainMetric
from hone.core.task import Batch, Facts, Fault, Task
from hone.models.checkpoint import Checkpoint


@final
@dataclass(frozen=True)
class TinyYolos(Checkpoint):
    """A YOLOS of two layers for images of 32 by 32 pixels."""

    lr: float = 2e-3
    name: ClassVar[str] = "tiny_yolos"

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        return YolosConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[32, 32],
            patch_size=8, num_detection_tokens=4, **changes,
        )  # fmt: skip

    def processor(self, auto_class: str, facts: Facts) -> Any:
        return YolosImageProcessorPil(size={"height": 32, "width": 32}, do_pad=False)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        return getattr(transformers, auto_class).from_config(config)

    def fingerprint(self) -> str:
        return self.name


@final
@dataclass(eq=False)
class Detection(Task):
    """Find boxes of named kinds in an image."""

    roles: ClassVar[tuple[str, ...]] = ("image", "box", "kind")
    auto_model: ClassVar[str] = "AutoModelForObjectDetection"
    pipeline: ClassVar[str] = "object-detection"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    monitor: ClassVar[str] = "overlap"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("boxes", tuple(sorted({name for row in rows["kind"] for name in row})))

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for place, boxes in enumerate(rows["box"]):
            if any(box[2] <= 0 or box[3] <= 0 for box in boxes):
                yield Fault(place, "box", "a box has no area")

    def check(self, facts: Facts) -> None: ...

    def model_config(self) -> dict[str, Any]:
        return {"num_labels": len(self.facts.labels), "id2label": dict(enumerate(self.facts.labels))}

    def encode(self, rows: Columns) -> Columns:
        classes = [[self.facts.labels.index(name) for name in row] for row in rows["kind"]]
        return {
            "id": rows["id"],
            "length": [1] * len(classes),
            "image": rows["image"],
            "box": rows["box"],
            "label": classes,
        }

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        images = [np.asarray(image, dtype=np.uint8).reshape(32, 32, 3) for image in rows["image"]]
        annotations = []
        for image, (boxes, classes) in enumerate(zip(rows["box"], rows["label"], strict=True)):
            notes = [_annotation(box, name) for box, name in zip(boxes, classes, strict=True)]
            annotations.append({"image_id": image, "annotations": notes})
        processed = self.processor(images=images, annotations=annotations, return_tensors="pt")
        labels = [{name: torch.as_tensor(value) for name, value in label.items()} for label in processed["labels"]]
        return {"id": rows["id"], "inputs": {"pixel_values": processed["pixel_values"]}, "labels": labels}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return network(**batch["inputs"], labels=batch["labels"]).loss

    def count_targets(self, batch: Batch) -> float:
        return float(sum(len(label["class_labels"]) for label in batch["labels"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        output = network(**batch["inputs"], labels=batch["labels"])
        size = len(batch["labels"])
        detections = self.processor.post_process_object_detection(output, threshold=0.0, target_sizes=[(32, 32)] * size)
        return {
            "id": batch["id"],
            "box": [image["boxes"].cpu().tolist() for image in detections],
            "prediction": [image["boxes"][int(image["scores"].argmax())].cpu().tolist() for image in detections],
            "label": [label["boxes"][0].cpu().tolist() for label in batch["labels"]],
            "loss": np.full(size, float(output.loss)),
            "targets": np.ones(size),
        }

    def metrics(self) -> Mapping[str, Metric]:
        def overlap(records: Columns) -> dict[str, float]:
            pairs = zip(records["prediction"], records["label"], strict=True)
            overlaps = [_overlap(np.array(corners), np.array(centred) * 32) for corners, centred in pairs]
            return {"mean": float(np.mean(overlaps)), "worst": float(np.min(overlaps))}

        return {"overlap": PlainMetric(overlap)}

    def describe(self, record: Mapping[str, Any]) -> str:
        return str(record["prediction"])

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"box": self.describe(record)}

    @classmethod
    def sample(cls) -> Columns:
        rng = np.random.default_rng(0)
        images, boxes, kinds = [], [], []
        for place in range(32):
            image = np.zeros((32, 32, 3), dtype=np.uint8)
            x, y = rng.integers(0, 16, size=2)
            image[y : y + 14, x : x + 14, place % 2] = 255
            images.append(image.reshape(-1).tolist())
            boxes.append([[float(x), float(y), 14.0, 14.0]])
            kinds.append([["red", "green"][place % 2]])
        return {"image": images, "box": boxes, "kind": kinds}


def _annotation(box: list[float], category: int) -> dict[str, Any]:
    return {"bbox": list(box), "category_id": int(category), "area": box[2] * box[3], "iscrowd": 0}


def _overlap(corners: np.ndarray, centred: np.ndarray) -> float:
    """Return the intersection over union of a box given by its corners and one given by its centre and size."""
    x, y, width, height = centred
    truth = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    low, high = np.maximum(corners[:2], truth[:2]), np.minimum(corners[2:], truth[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / (float(np.prod(corners[2:] - corners[:2])) + float(width * height) - shared + 1e-9)
