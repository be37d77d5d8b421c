"""Semantic segmentation: predict the class of each pixel of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from PIL import Image
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.core.value_types import ClassWeights, Index
from hone.data.media.images import decode, image_faults
from hone.data.tiny.land import land_examples
from hone.models.processors import is_grey
from hone.tasks.metrics.overlap import COUNTS, overlap_metrics
from hone.tasks.targets.classes import class_config, list_class_weights, require_two_classes
from hone.tasks.targets.kinds import label_names
from hone.tasks.usage_snippets import picture_snippet
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.masks import UNLABELLED, MaskCodes, decode_mask, find_classes, mask_faults
from hone.tasks.vision.shared.pixels import require_recipe
from hone.tasks.vision.shared.samples import Sample

_SHOWN = 4
"""How many classes a description names."""


@final
@dataclass(eq=False)
class SemanticSegmentation(AugmentOptions, Task):
    """The semantic segmentation task. Its fields are the options in `conf/task/semantic_segmentation.yaml`."""

    ignore: Index | None = 255
    class_weights: ClassWeights = None

    roles: ClassVar[tuple[str, ...]] = ("image", "mask")
    targets: ClassVar[tuple[str, ...]] = ("mask",)
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image", "mask": "image"}
    bulky: ClassVar[Mapping[str, MediaKind]] = {"prediction": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForSemanticSegmentation"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    pipeline: ClassVar[str] = "image-segmentation"
    monitor: ClassVar[str] = "mean_iou"

    @cached_property
    def codes(self) -> MaskCodes:
        """Which value of a mask is which class."""
        return MaskCodes(self.facts, self.ignore)

    @cached_property
    def weights(self) -> Tensor:
        """The weight of each class in the loss."""
        return torch.tensor(list_class_weights(self.class_weights, self.facts))

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return find_classes(rows, names, self.ignore)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        if "mask" in rows.column_names:
            yield from mask_faults(rows, MaskCodes(facts, self.ignore))

    def check(self, facts: Facts) -> None:
        require_two_classes(facts)
        list_class_weights(self.class_weights, facts)

    def configure_processor(self, processor: Any) -> None:
        require_recipe(processor, "SegformerImageProcessor")

    def model_config(self) -> dict[str, Any]:
        return class_config(self.facts.labels)

    def encode(self, rows: Columns) -> Columns:
        # Every picture becomes one of the same size, so that all cost the same.
        return {"id": rows["id"], "length": [1] * len(rows["id"])}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        files = zip(rows["image"], rows.get("mask", [None] * len(rows["image"])), strict=True)
        samples = [
            Sample(decode(picture), None if mask is None else decode_mask(mask, self.codes), unlabelled=UNLABELLED)
            for picture, mask in files
        ]
        if draws.training and self.is_augmenting:
            samples = [self.augment(sample, draws.row(place)) for place, sample in enumerate(samples)]
        recipe = require_recipe(self.processor, "SegformerImageProcessor")
        pixels = recipe.normalise([recipe.resize(sample.picture) for sample in samples])
        batch: Batch = {"id": rows["id"], "inputs": {"pixel_values": pixels}}
        batch["sizes"] = [(sample.picture.height, sample.picture.width) for sample in samples]
        masks = [sample.mask for sample in samples if sample.mask is not None]
        if masks:
            batch["labels"] = torch.stack([_to_tensor(recipe.resize(mask, Image.Resampling.NEAREST)) for mask in masks])
            batch["masks"] = [] if draws.training else [_to_tensor(mask) for mask in masks]
        return batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        losses = self._losses(network(**batch["inputs"]).logits.float(), batch["labels"])
        return losses.sum() / self._pixel_weights(batch["labels"]).sum().clamp(min=1e-6)

    def count_targets(self, batch: Batch) -> float:
        return float(self._pixel_weights(batch["labels"]).sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        return self._records(batch, network(**batch["inputs"]).logits.float())

    def answer(self, network: nn.Module, batch: Batch) -> Columns:
        logits = network(**batch["inputs"]).logits.float()
        maps = [self.codes.to_values(each.cpu().numpy()) for each in _maps(logits, batch["sizes"])]
        return {**self._records(batch, logits), "prediction": maps}

    def metrics(self) -> Mapping[str, Metric]:
        return overlap_metrics(self.facts.labels)

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that gives every pixel the most frequent class."""
        true = np.array(list(records["true"]))
        chosen = np.arange(true.shape[1]) == np.argmax(self.facts.counts)
        return records | {"right": true * chosen, "predicted": true.sum(axis=1, keepdims=True) * chosen}

    def describe(self, record: Mapping[str, Any]) -> str:
        shares = self.outcome(record)["shares"]
        ordered = sorted(shares.items(), key=lambda pair: -pair[1])[:_SHOWN]
        return ", ".join(f"{name} {share:.2f}" for name, share in ordered if share > 0)

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        predicted = np.asarray(record["predicted"], dtype=np.float64)
        shares = dict(zip(self.facts.labels, (predicted / max(predicted.sum(), 1)).tolist(), strict=True))
        return {name: record[name] for name in self.bulky if name in record} | {"shares": shares}

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        names = label_names(config)
        return Facts("masks", names, (1,) * len(names), {name: float(place) for place, name in enumerate(names)})

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        return picture_snippet(
            self.pipeline, place, self.question()["image"], self.auto_model, grey=is_grey(self.processor)
        )

    @classmethod
    def sample(cls) -> Columns:
        return land_examples(8)

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted loss of each pixel; the logits are enlarged to the size of the picture."""
        whole = F.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
        return F.cross_entropy(whole, labels, self.weights.to(logits), reduction="none", ignore_index=UNLABELLED)

    def _pixel_weights(self, labels: Tensor) -> Tensor:
        """Return the weight of each pixel in the loss."""
        return self.weights.to(labels.device)[labels.clamp(min=0)] * (labels != UNLABELLED)

    def _records(self, batch: Batch, logits: Tensor) -> Columns:
        """Return the counts of each picture's pixels at its own size, and with labels its loss."""
        masks = batch["masks"] if "labels" in batch else [None] * len(logits)
        counts = [self._count(*pair) for pair in zip(_maps(logits, batch["sizes"]), masks, strict=True)]
        records = {name: np.stack([count[place] for count in counts]) for place, name in enumerate(COUNTS)}
        if "labels" not in batch:
            return {"id": batch["id"], "predicted": records["predicted"]}
        losses, weights = self._losses(logits, batch["labels"]), self._pixel_weights(batch["labels"])
        sums = {name: values.sum(dim=(1, 2)).cpu().double().numpy()
                for name, values in (("loss", losses), ("targets", weights))}  # fmt: skip
        return {"id": batch["id"], **records, **sums}

    def _count(self, classes: Tensor, mask: Tensor | None) -> Any:
        """Count right, predicted and true pixels per class, of a mask only those that have a class."""
        count = len(self.facts.labels)
        if mask is None:
            predicted = torch.bincount(classes.flatten(), minlength=count).cpu().numpy()
            return np.stack([np.zeros_like(predicted), predicted, np.zeros_like(predicted)])
        labelled = mask != UNLABELLED
        pairs = torch.bincount(mask[labelled] * count + classes[labelled], minlength=count * count)
        matrix = pairs.view(count, count).cpu().numpy()
        return np.stack([matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)])


def _maps(logits: Tensor, sizes: list[tuple[int, int]]) -> Iterator[Tensor]:
    """Yield the class of each pixel, with the logits enlarged to the pictures' own sizes as transformers does."""
    for each, size in zip(logits, sizes, strict=True):
        yield F.interpolate(each[None], size=size, mode="bilinear", align_corners=False)[0].argmax(dim=0)


def _to_tensor(mask: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(mask).astype(np.int64))
