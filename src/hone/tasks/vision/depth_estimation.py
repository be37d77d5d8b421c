"""Depth estimation: predict how far away each pixel of a picture is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from PIL import Image
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.core.value_types import Positive
from hone.data.media.images import decode, image_faults
from hone.data.tiny.fog import fog_examples
from hone.models.processors import is_grey
from hone.tasks.metrics.depth import depth_metrics
from hone.tasks.usage_snippets import picture_snippet
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.depths import Depths, as_picture, depth_faults, find_distances, read_depths, sum_errors
from hone.tasks.vision.shared.pixels import require_recipe
from hone.tasks.vision.shared.samples import Sample

_PROCESSOR = "DPTImageProcessor"


@final
@dataclass(eq=False)
class DepthEstimation(AugmentOptions, Task):
    """The depth estimation task. Its fields are the options in `conf/task/depth_estimation.yaml`."""

    scale: Positive = 0.001

    roles: ClassVar[tuple[str, ...]] = ("image", "depth")
    targets: ClassVar[tuple[str, ...]] = ("depth",)
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image", "depth": "image"}
    bulky: ClassVar[Mapping[str, MediaKind]] = {"prediction": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForDepthEstimation"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    pipeline: ClassVar[str] = "depth-estimation"
    monitor: ClassVar[str] = "abs_rel"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return find_distances(rows, self.scale)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        if "depth" in rows.column_names:
            yield from depth_faults(rows, self.scale)

    def check(self, facts: Facts) -> None:
        return

    def configure_processor(self, processor: Any) -> None:
        require_recipe(processor, _PROCESSOR)

    def model_config(self) -> dict[str, Any]:
        return {}

    def read_config(self, config: PretrainedConfig) -> None:
        """Raise UserError where the network cannot reach the largest distance."""
        # A network of relative depths has no limit, whatever its config says.
        is_limited = getattr(config, "depth_estimation_type", "metric") == "metric"
        limit, largest = getattr(config, "max_depth", None) if is_limited else None, self.facts.numbers["largest"]
        if limit is not None and largest > limit:
            raise UserError(
                f"checkpoint: this network predicts at most {limit:g}, but the training rows go up to {largest:g}. Set "
                f"checkpoint.hyperparameters={{max_depth: {math.ceil(largest)}}}, or another task.scale."
            )

    def encode(self, rows: Columns) -> Columns:
        # Every picture becomes one of the same size, so that all cost the same.
        return {"id": rows["id"], "length": [1] * len(rows["id"])}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        files = zip(rows["image"], rows.get("depth", [None] * len(rows["image"])), strict=True)
        samples = [
            Sample(decode(picture), None if depth is None else as_picture(read_depths(depth, self.scale)))
            for picture, depth in files
        ]
        if draws.training and self.is_augmenting:
            samples = [self.augment(sample, draws.row(place)) for place, sample in enumerate(samples)]
        recipe = require_recipe(self.processor, _PROCESSOR)
        pixels = recipe.normalise([recipe.resize(sample.picture) for sample in samples])
        batch: Batch = {"id": rows["id"], "inputs": {"pixel_values": pixels}}
        batch["sizes"] = [(sample.picture.height, sample.picture.width) for sample in samples]
        depths = [sample.mask for sample in samples if sample.mask is not None]
        if depths:
            batch["labels"] = torch.stack(
                [_to_tensor(recipe.resize(each, Image.Resampling.NEAREST)) for each in depths]
            )
            batch["depths"] = [] if draws.training else [_to_tensor(each) for each in depths]
        return batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        losses = _losses(network(**batch["inputs"]).predicted_depth.float(), batch["labels"])
        mean: Tensor = losses.sum() / (batch["labels"] > 0).sum().clamp(min=1)
        return mean

    def count_targets(self, batch: Batch) -> float:
        return float((batch["labels"] > 0).sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        return self._records(batch, network(**batch["inputs"]).predicted_depth.float())

    def answer(self, network: nn.Module, batch: Batch) -> Columns:
        predicted = network(**batch["inputs"]).predicted_depth.float()
        maps = [self._to_values(each.cpu().numpy()) for each in _maps(predicted, batch["sizes"])]
        return {**self._records(batch, predicted), "prediction": maps}

    def metrics(self) -> Mapping[str, Metric]:
        return depth_metrics()

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that gives every pixel the median distance of the training rows."""
        return records | {"sums": records["constant"]}

    def describe(self, record: Mapping[str, Any]) -> str:
        return "{nearest:.2f} to {farthest:.2f}, median {median:.2f}".format(**self._distances(record))

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {name: record[name] for name in self.bulky if name in record} | self._distances(record)

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("depth", numbers={"median": 0.0, "largest": 0.0})

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        return picture_snippet(
            self.pipeline, place, self.question()["image"], self.auto_model, grey=is_grey(self.processor)
        )

    @classmethod
    def sample(cls) -> Columns:
        return fog_examples(8)

    def _distances(self, record: Mapping[str, Any]) -> dict[str, float]:
        return dict(zip(("nearest", "median", "farthest"), map(float, record["distances"]), strict=True))

    def _to_values(self, depths: Depths) -> np.ndarray[Any, Any]:
        """Return distances in the unit of the data set's files, as 16-bit whole numbers."""
        return (depths / self.scale).round().clip(0, 65535).astype(np.uint16)

    def _records(self, batch: Batch, predicted: Tensor) -> Columns:
        """Return the sums of each picture's errors at its own size, and with labels its loss."""
        maps = list(_maps(predicted, batch["sizes"]))
        distances = [np.quantile(each.cpu().numpy(), [0, 0.5, 1]) for each in maps]
        records = {"id": batch["id"], "distances": np.stack(distances)}
        if "labels" not in batch:
            return records
        pairs = list(zip(maps, batch["depths"], strict=True))
        constants = [torch.full_like(true, self.facts.numbers["median"]) for _, true in pairs]
        return records | {
            "sums": np.stack([sum_errors(guess, true) for guess, true in pairs]),
            "constant": np.stack([sum_errors(*pair) for pair in zip(constants, batch["depths"], strict=True)]),
            "loss": _losses(predicted, batch["labels"]).sum(dim=(1, 2)).cpu().double().numpy(),
            "targets": (batch["labels"] > 0).sum(dim=(1, 2)).cpu().double().numpy(),
        }


def _losses(predicted: Tensor, depths: Tensor) -> Tensor:
    """Return the absolute error of each pixel, 0 where nothing was measured. The prediction is enlarged to the size of
    the picture."""
    whole = F.interpolate(predicted[:, None], size=depths.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return (whole - depths).abs() * (depths > 0)


def _maps(predicted: Tensor, sizes: list[tuple[int, int]]) -> Iterator[Tensor]:
    """Yield the distance of each pixel, enlarged to the pictures' own sizes as transformers does."""
    for each, size in zip(predicted, sizes, strict=True):
        yield F.interpolate(each[None, None], size=size, mode="bicubic", align_corners=False)[0, 0]


def _to_tensor(depths: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(depths).copy())
