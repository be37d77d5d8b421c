"""Object detection: find the things in a picture, with a box and a class for each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.image_utils import SizeDict

from hone.core.draws import Draws
from hone.core.errors import UnsuitableRows, UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.core.value_types import Count, Share
from hone.data.media.images import decode, image_faults
from hone.data.tiny.objects import object_examples
from hone.models.processors import is_grey
from hone.tasks.metrics.boxes import MOST, detection_metrics, require_detection_extra
from hone.tasks.targets.classes import class_config, class_name
from hone.tasks.targets.kinds import label_names
from hone.tasks.usage_snippets import picture_snippet
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.boxes import (
    box_faults,
    find_things,
    from_shares,
    read_list,
    to_corners,
    to_shares,
    usual_box,
)
from hone.tasks.vision.shared.pixels import require_one_size, to_pixels
from hone.tasks.vision.shared.samples import Sample

log = logging.getLogger(__name__)

_SHOWN = 4
"""How many boxes a description names."""
_NARROWEST = 1.0
"""Of boxes that a random change of the picture cuts, those narrower than this many pixels are left out."""


@final
@dataclass(eq=False)
class ObjectDetection(AugmentOptions, Task):
    """The object detection task. Its fields are the options in `conf/task/object_detection.yaml`."""

    threshold: Share = 0.5
    image_size: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("image", "boxes", "label")
    targets: ClassVar[tuple[str, ...]] = ("boxes", "label")
    lists: ClassVar[tuple[str, ...]] = ("boxes", "label")
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForObjectDetection"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    pipeline: ClassVar[str] = "object-detection"
    monitor: ClassVar[str] = "map"

    @property
    def independent_rows(self) -> bool:
        """The loss is divided by the boxes of the batch."""
        return False

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        require_detection_extra()
        return find_things(rows, names)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        if {"boxes", "label"} <= set(rows.column_names):
            yield from box_faults(rows, facts)

    def check(self, facts: Facts) -> None:
        if not facts.labels:
            raise UnsuitableRows("no training row has a box, so there is nothing to learn.")

    def configure_processor(self, processor: Any) -> None:
        """Give all pictures one size: of those that are padded to the size of others, the boxes would depend on these.
        A processor that keeps proportions makes squares of its shortest edge then."""
        if not hasattr(processor, "post_process_object_detection"):
            raise UserError(
                f"checkpoint.processor: {type(processor).__name__} is not for object detection. Set it to "
                f"{{class: YolosImageProcessor, size: {{height: 512, width: 512}}}}."
            )
        size = processor.size
        if self.image_size is not None or not (size.height and size.width):
            side = self.image_size or size.shortest_edge
            processor.size = SizeDict(height=side, width=side)
        processor.do_pad = False
        require_one_size(processor)

    def model_config(self) -> dict[str, Any]:
        return class_config(self.facts.labels)

    def read_config(self, config: PretrainedConfig) -> None:
        """Warn where a training row has more boxes than the network can find."""
        limit = getattr(config, "num_detection_tokens", None) or getattr(config, "num_queries", None)
        most = int(self.facts.numbers["most"])
        if limit is not None and most > limit:
            log.warning("A training row has %d boxes, and this network finds at most %d in a picture.", most, limit)

    def encode(self, rows: Columns) -> Columns:
        # Every picture becomes one of the same size, so that all cost the same.
        encoded: Columns = {"id": rows["id"], "length": [1] * len(rows["id"])}
        if "boxes" not in rows or "label" not in rows:
            return encoded
        places = {name: place for place, name in enumerate(self.facts.labels)}
        labels = ([places[class_name(label)] for label in read_list(each)] for each in rows["label"])
        return encoded | {
            "boxes": [np.array(read_list(each), dtype=np.float64).reshape(-1) for each in rows["boxes"]],
            "label": [np.array(each, dtype=np.int64) for each in labels],
        }

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        samples = [Sample(decode(file)) for file in rows["image"]]
        if "boxes" in rows:
            pairs = zip(samples, rows["boxes"], strict=True)
            samples = [
                replace(sample, boxes=to_corners(np.asarray(boxes, dtype=np.float64).reshape(-1, 4), sample.size))
                for sample, boxes in pairs
            ]
        changed = draws.training and self.is_augmenting
        if changed:
            samples = [self.augment(sample, draws.row(place)) for place, sample in enumerate(samples)]
        pixels = to_pixels(self.processor, [sample.picture for sample in samples])
        batch: Batch = {"id": rows["id"], "inputs": {"pixel_values": pixels}}
        batch["sizes"] = [(sample.picture.height, sample.picture.width) for sample in samples]
        if "boxes" in rows:
            smallest = _NARROWEST if changed else 0.0
            batch["labels"] = [_to_labels(*pair, smallest) for pair in zip(samples, rows["label"], strict=True)]
        return batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        loss: Tensor = _compute(network, batch).loss
        return loss

    def count_targets(self, batch: Batch) -> float:
        """Return the number of boxes. The loss of a batch without any is divided by 1."""
        return float(max(1, sum(len(each["class_labels"]) for each in batch["labels"])))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        """Return the boxes of each picture, the most certain first. With labels, the loss of the batch is shared out
        among its rows by their boxes, because it has no loss of a single row."""
        output = _compute(network, batch)
        results = self.processor.post_process_object_detection(output, threshold=0.0, target_sizes=batch["sizes"])
        boxes, labels, scores = zip(*map(_sort, results), strict=True)
        records: Columns = {
            "id": batch["id"],
            "size": np.array(batch["sizes"])[:, ::-1],
            "predicted_boxes": [*boxes],
            "predicted_labels": [*labels],
            "scores": [*scores],
        }
        if "labels" not in batch:
            return records
        counts = np.array([float(len(each["class_labels"])) for each in batch["labels"]])
        targets = counts if counts.any() else np.full(len(counts), 1 / len(counts))
        return records | {
            "boxes": [
                from_shares(each["boxes"].cpu().double().numpy(), (width, height)).tolist()
                for each, (height, width) in zip(batch["labels"], batch["sizes"], strict=True)
            ],
            "label": [each["class_labels"].cpu().numpy() for each in batch["labels"]],
            "loss": float(output.loss) * targets,
            "targets": targets,
        }

    def metrics(self) -> Mapping[str, Metric]:
        return detection_metrics(self.facts.labels)

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that finds one box everywhere, the mean one of the most frequent class."""
        pairs = [usual_box(self.facts, size) for size in np.asarray(records["size"]).tolist()]
        return records | {
            "predicted_boxes": [[box] for box, _ in pairs],
            "predicted_labels": [[label] for _, label in pairs],
            "scores": [[1.0]] * len(pairs),
        }

    def describe(self, record: Mapping[str, Any]) -> str:
        outcome = self.outcome(record)
        pairs = list(zip(outcome["labels"], outcome["scores"], strict=True))
        more = f", {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        return ", ".join(f"{name} {score:.2f}" for name, score in pairs[:_SHOWN]) + more or "nothing"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        certain = np.asarray(record["scores"]) > self.threshold
        return {
            "boxes": np.asarray(record["predicted_boxes"]).reshape(-1, 4)[certain].tolist(),
            "labels": [self.facts.labels[place] for place in np.asarray(record["predicted_labels"])[certain]],
            "scores": np.asarray(record["scores"])[certain].tolist(),
        }

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        names = label_names(config)
        numbers = {"left": 0.0, "top": 0.0, "width": 1.0, "height": 1.0, "most": 0.0}
        return Facts("boxes", names, (1,) * len(names), numbers)

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        return picture_snippet(
            self.pipeline, place, self.question()["image"], self.auto_model, grey=is_grey(self.processor),
            options=f", threshold={self.threshold:g}",
        )  # fmt: skip

    @classmethod
    def sample(cls) -> Columns:
        return object_examples(8)


def _compute(network: nn.Module, batch: Batch) -> Any:
    """Return the network's output, with its own loss if the batch has labels. It refuses to match boxes that are no
    numbers, and then the loss is none either."""
    labels = {"labels": batch["labels"]} if "labels" in batch else {}
    try:
        return network(**batch["inputs"], **labels)
    except ValueError:
        output = network(**batch["inputs"])
        if torch.isfinite(output.pred_boxes).all():
            raise
        output.loss = output.pred_boxes.sum() + output.logits.sum()
        return output


def _to_labels(sample: Sample, classes: Any, smallest: float) -> dict[str, Tensor]:
    """Return the boxes of a picture as the network's loss reads them."""
    corners = np.zeros((0, 4)) if sample.boxes is None else sample.boxes
    kept = (corners[:, 2:] - corners[:, :2]).min(axis=1, initial=np.inf) >= smallest
    return {
        "class_labels": torch.from_numpy(np.asarray(classes, dtype=np.int64)[kept]),
        "boxes": torch.from_numpy(to_shares(corners[kept], sample.size).astype(np.float32)),
    }


def _sort(result: Mapping[str, Tensor]) -> tuple[Any, Any, Any]:
    """Return the boxes of a picture as left, top, width and height, their classes and their scores, the most certain
    first."""
    order = result["scores"].float().argsort(descending=True, stable=True)[:MOST]
    corners, labels, scores = (result[name][order].cpu() for name in ("boxes", "labels", "scores"))
    sides = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1)
    return sides.tolist(), labels.numpy(), scores.float().numpy()
