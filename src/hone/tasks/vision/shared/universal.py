"""What instance and panoptic segmentation share: pictures with masks, a network that predicts a set, and its loss."""

from __future__ import annotations

import json
import logging
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.image_utils import SizeDict

from hone.core.draws import Draws
from hone.core.errors import UnsuitableRows, UserError
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.core.value_types import Count, Share
from hone.data.media.images import decode, image_faults
from hone.tasks.metrics.boxes import require_detection_extra
from hone.tasks.targets.classes import class_config, class_name
from hone.tasks.targets.kinds import label_names
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.boxes import read_list
from hone.tasks.vision.shared.pixels import PixelRecipe, require_recipe
from hone.tasks.vision.shared.samples import Sample
from hone.tasks.vision.shared.segments import Areas, draw_areas, find_segments, segment_faults
from hone.tasks.vision.shared.set_loss import compute_masks, count_masks, require_set_loss, row_losses

log = logging.getLogger(__name__)

_SHOWN = 4
"""How many segments a description names."""
_EXAMPLE = "Mask2FormerImageProcessor"


@final
@dataclass(frozen=True, eq=False)
class Segmented:
    """What a network predicts for a picture, at the picture's own size."""

    labels: Sequence[int]
    scores: Sequence[float]
    areas: Any
    """Where each segment is, for instances; for a panoptic prediction one map with the place of each pixel's segment in
    the labels, or -1."""


@dataclass(eq=False)
class UniversalSegmentation(AugmentOptions, Task):
    """A task whose network predicts a set of masks with their classes."""

    threshold: Share = 0.5
    image_size: Count | None = None

    targets: ClassVar[tuple[str, ...]] = ("mask", "segments", "label")
    lists: ClassVar[tuple[str, ...]] = ("segments", "label")
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image", "mask": "image"}
    bulky: ClassVar[Mapping[str, MediaKind]] = {"prediction": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForUniversalSegmentation"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    pipeline: ClassVar[str] = "image-segmentation"

    @abstractmethod
    def segment(self, output: Any, size: tuple[int, int]) -> Segmented:
        """Return the segments of a picture of this height and width, from the network's output for it alone."""

    @abstractmethod
    def measure(self, segmented: Segmented, areas: Areas, labels: Sequence[int]) -> dict[str, Any]:
        """Return what the metrics need to know of a picture with these true segments."""

    @abstractmethod
    def number(self, segmented: Segmented) -> Any:
        """Return a map with the number of each pixel's segment: those of `outcome`, which begin with 1; 0 for none."""

    @property
    def independent_rows(self) -> bool:
        """The loss is divided by the masks of the batch."""
        return False

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        require_detection_extra()
        return find_segments(rows, names)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        if {"segments", "label"} <= set(rows.column_names):
            yield from segment_faults(rows, facts)

    def check(self, facts: Facts) -> None:
        if not facts.labels:
            raise UnsuitableRows("no training row has a segment, so there is nothing to learn.")

    def configure_processor(self, processor: Any) -> None:
        """Give all pictures one size, a multiple of what the network divides them by, so that their masks fit them. A
        processor that keeps proportions makes squares of its shortest edge then."""
        if not hasattr(processor, f"post_process_{self.kind}_segmentation"):
            raise UserError(
                f"checkpoint.processor: {type(processor).__name__} is not for {self.kind} segmentation. Set it to "
                f"{{class: {_EXAMPLE}, size: {{height: 384, width: 384}}}}."
            )
        size, divisor = processor.size, getattr(processor, "size_divisor", None) or 1
        sides = [self.image_size or side or size.shortest_edge for side in (size.height, size.width)]
        height, width = (math.ceil(side / divisor) * divisor for side in sides)
        processor.size = SizeDict(height=height, width=width)
        require_recipe(processor, _EXAMPLE)

    @property
    @abstractmethod
    def kind(self) -> str:
        """The kind of segmentation, as processors and pipelines name it."""

    def model_config(self) -> dict[str, Any]:
        return class_config(self.facts.labels)

    def read_config(self, config: PretrainedConfig) -> None:
        """Warn where a training row has more segments than the network can find."""
        limit = getattr(getattr(config, "decoder_config", config), "num_queries", None)
        most = int(self.facts.numbers["most"])
        if limit is not None and most > limit:
            log.warning("A training row has %d segments, and this network finds at most %d in a picture.", most, limit)

    def check_network(self, network: Any) -> None:
        require_set_loss(network)

    def encode(self, rows: Columns) -> Columns:
        # Every picture becomes one of the same size, so that all cost the same.
        encoded: Columns = {"id": rows["id"], "length": [1] * len(rows["id"])}
        if "segments" not in rows or "label" not in rows:
            return encoded
        places = {name: place for place, name in enumerate(self.facts.labels)}
        labels = ([places[class_name(label)] for label in read_list(each)] for each in rows["label"])
        return encoded | {
            "segments": [json.dumps(read_list(each)) for each in rows["segments"]],
            "label": [np.array(each, dtype=np.int64) for each in labels],
        }

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        samples = [Sample(decode(file)) for file in rows["image"]]
        if "segments" in rows:
            masks = rows.get("mask", [None] * len(samples))
            triples = zip(samples, rows["segments"], masks, strict=True)
            areas = [draw_areas(json.loads(segments), mask, sample.size) for sample, segments, mask in triples]
            samples = [
                replace(sample, segments=_to_pictures(each)) for sample, each in zip(samples, areas, strict=True)
            ]
        if draws.training and self.is_augmenting:
            samples = [self.augment(sample, draws.row(place)) for place, sample in enumerate(samples)]
        recipe = require_recipe(self.processor, _EXAMPLE)
        pixels = recipe.normalise([recipe.resize(sample.picture) for sample in samples])
        batch: Batch = {"id": rows["id"], "inputs": {"pixel_values": pixels}}
        batch["sizes"] = [(sample.picture.height, sample.picture.width) for sample in samples]
        if "segments" in rows:
            batch["labels"] = [_to_labels(*pair, recipe) for pair in zip(samples, rows["label"], strict=True)]
            # Every evaluation compares masks at the same points, whatever the batches are.
            places = range(len(samples))
            batch["draws"] = [int(draws.row(place).integers(2**63)) if draws.training else 0 for place in places]
            batch["truth"] = [] if draws.training else [*zip(areas, map(np.asarray, rows["label"]), strict=True)]
        return batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        losses = row_losses(network, compute_masks(network, batch), batch["labels"], batch["draws"])
        return losses.sum() / count_masks(batch["labels"])

    def count_targets(self, batch: Batch) -> float:
        """Return the number of masks. The loss of a batch without any is divided by 1."""
        return count_masks(batch["labels"])

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        return self._records(network, batch, with_maps=False)

    def answer(self, network: nn.Module, batch: Batch) -> Columns:
        return self._records(network, batch, with_maps=True)

    def describe(self, record: Mapping[str, Any]) -> str:
        segments = sorted(self.outcome(record)["segments"], key=lambda each: -each["score"])
        more = f", {len(segments) - _SHOWN} more" if len(segments) > _SHOWN else ""
        return ", ".join(f"{each['label']} {each['score']:.2f}" for each in segments[:_SHOWN]) + more or "nothing"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        scores = np.asarray(record["scores"])
        certain = np.flatnonzero(scores >= self.threshold)
        names = [self.facts.labels[label] for label in np.asarray(record["predicted_labels"])[certain]]
        segments = [
            {"id": number, "label": name, "score": float(score)}
            for number, (name, score) in enumerate(zip(names, scores[certain], strict=True), 1)
        ]
        return {name: record[name] for name in self.bulky if name in record} | {"segments": segments}

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        names = label_names(config)
        return Facts("segments", names, (1,) * len(names), {"most": 0.0})

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def _records(self, network: nn.Module, batch: Batch, with_maps: bool) -> Columns:
        """Return the labels and scores of each picture's segments. With labels, the loss of the batch is given back to
        its rows by their masks."""
        output = compute_masks(network, batch)
        segmented = [self.segment(_row_of(output, place), size) for place, size in enumerate(batch["sizes"])]
        records: Columns = {
            "id": batch["id"],
            "predicted_labels": [np.array(each.labels, dtype=np.int64) for each in segmented],
            "scores": [np.array(each.scores, dtype=np.float64) for each in segmented],
        }
        if with_maps:
            records["prediction"] = [self.number(each) for each in segmented]
        if "labels" not in batch:
            return records
        pairs = zip(segmented, batch["truth"], strict=True)
        rows = [self.measure(each, areas, labels) | _describe_truth(areas, labels) for each, (areas, labels) in pairs]
        losses = row_losses(network, output, batch["labels"], batch["draws"])
        counts = np.array([float(len(each["classes"])) for each in batch["labels"]])
        return records | {name: [row[name] for row in rows] for name in rows[0]} | {
            "loss": losses.cpu().double().numpy(),
            "targets": counts if counts.any() else np.full(len(counts), 1 / len(counts)),
        }  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class _Output:
    """A network's output for one picture, as processors read it."""

    class_queries_logits: Tensor
    masks_queries_logits: Tensor


def _row_of(output: Any, place: int) -> _Output:
    """Return the output for one picture: processors enlarge all masks, which takes much memory for a whole batch."""
    part = slice(place, place + 1)
    return _Output(output.class_queries_logits[part].float(), output.masks_queries_logits[part].float())


def _to_pictures(areas: Areas) -> tuple[Image.Image, ...]:
    return tuple(Image.fromarray(area.astype(np.uint8)) for area in areas)


def _to_labels(sample: Sample, classes: Any, recipe: PixelRecipe) -> dict[str, Tensor]:
    """Return the masks of a picture in the network's size. Segments of which no pixel is left are left out."""
    resized = [np.asarray(recipe.resize(each, Image.Resampling.NEAREST)) for each in sample.segments]
    width, height = recipe.size or sample.size
    masks = np.stack(resized) if resized else np.zeros((0, height, width), dtype=np.uint8)
    kept = masks.any(axis=(1, 2))
    return {
        "masks": torch.from_numpy(masks[kept]).float(),
        "classes": torch.from_numpy(np.asarray(classes, dtype=np.int64)[kept]),
    }


def _describe_truth(areas: Areas, labels: Any) -> dict[str, Any]:
    """Return the classes of the true segments and the share of the picture that each takes."""
    return {"label": labels, "shares": areas.mean(axis=(1, 2)) if len(areas) else np.zeros(0)}
