"""Masked image modelling: predict the hidden squares of a picture from the visible ones, which needs no labels.

The trained network is a checkpoint for other tasks on pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind
from hone.core.value_types import Count, PartialShare
from hone.data.media.images import decode, image_faults
from hone.data.tiny.shapes import shape_examples
from hone.tasks.metrics.scalars import RELATIVE_ERROR
from hone.tasks.usage_snippets import masked_image_snippet
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.patches import HidesPatches, to_pictures
from hone.tasks.vision.shared.pixels import require_one_size, require_shapes, to_pixels
from hone.tasks.vision.shared.samples import Sample


@final
@dataclass(eq=False)
class MaskedImageModelling(AugmentOptions, HidesPatches):
    """The masked image modelling task. Its fields are the options in `conf/task/masked_image_modelling.yaml`."""

    ratio: PartialShare = 0.6
    block_size: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("image",)
    targets: ClassVar[tuple[str, ...]] = ()
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    bulky: ClassVar[Mapping[str, MediaKind]] = {"prediction": "image", "masked": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForMaskedImageModeling"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    pipeline: ClassVar[str] = "image-feature-extraction"
    monitor: ClassVar[str] = "relative_error"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("pictures")

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")

    def check(self, facts: Facts) -> None:
        if not self.ratio:
            raise UserError("task.ratio=0: nothing would be hidden; the usual value is 0.6.")

    def configure_processor(self, processor: Any) -> None:
        require_one_size(processor)

    def model_config(self) -> dict[str, Any]:
        return {}

    def without_targets(self, rows: Columns) -> Columns:
        """Return the rows, marked: of a prediction no loss is computed."""
        return rows | {"is_asked": [True] * len(rows["image"])}

    def encode(self, rows: Columns) -> Columns:
        require_shapes(self.processor, rows["image"])
        marks = {name: rows[name] for name in ("is_asked",) if name in rows}
        # Every picture becomes one of the same size, so that all cost the same.
        return {"id": rows["id"], "length": [1] * len(rows["id"]), **marks}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        pictures, hidden = [], []
        for place, file in enumerate(rows["image"]):
            rng, sample = draws.row(place), Sample(decode(file))
            if draws.training and self.is_augmenting:
                sample = self.augment(sample, rng)
            pictures.append(sample.picture)
            hidden.append(self.grid.draw(self.ratio, rng))
        pixels = to_pixels(self.processor, pictures)
        inputs = {"pixel_values": pixels, "bool_masked_pos": torch.from_numpy(np.stack(hidden))}
        return {"id": rows["id"], "inputs": inputs, "is_scored": "is_asked" not in rows}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return self._sum_errors(_reconstruct(network, batch), batch).sum() / self.count_targets(batch)

    def count_targets(self, batch: Batch) -> float:
        """Return the number of hidden values: one per pixel and channel."""
        return float(self._count_values(batch).sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        return self._records(batch, _reconstruct(network, batch))

    def answer(self, network: nn.Module, batch: Batch) -> Columns:
        guess, pixels = _reconstruct(network, batch), batch["inputs"]["pixel_values"].float()
        hidden = self.grid.to_pixels(batch["inputs"]["bool_masked_pos"])
        return self._records(batch, guess) | {
            "prediction": to_pictures(self.processor, torch.where(hidden, guess, pixels)),
            "masked": to_pictures(self.processor, pixels, hidden),
        }

    def metrics(self) -> Mapping[str, Metric]:
        return {"relative_error": RELATIVE_ERROR}

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that gives hidden pixels the mean colour of the visible ones."""
        return records | {"error": records["constant"], "loss": records["constant"]}

    def describe(self, record: Mapping[str, Any]) -> str:
        return f"{self._relative_error(record):.2f} of the error of one colour"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        files = {name: record[name] for name in self.bulky if name in record}
        return files | {"relative_error": self._relative_error(record)}

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        return masked_image_snippet(place, self.question()["image"], self.ratio)

    @classmethod
    def sample(cls) -> Columns:
        return {"image": shape_examples(8)["image"]}

    def _relative_error(self, record: Mapping[str, Any]) -> float:
        return float(record["error"]) / max(float(record["constant"]), 1e-12)

    def _count_values(self, batch: Batch) -> Tensor:
        """Return how many values of each picture are hidden."""
        channels = batch["inputs"]["pixel_values"].shape[1]
        counts: Tensor = batch["inputs"]["bool_masked_pos"].sum(dim=1) * self.grid.size**2 * channels
        return counts

    def _sum_errors(self, guess: Tensor, batch: Batch) -> Tensor:
        """Return the sum of the absolute errors of each picture's hidden values."""
        hidden = self.grid.to_pixels(batch["inputs"]["bool_masked_pos"])
        errors: Tensor = (guess - batch["inputs"]["pixel_values"].float()).abs() * hidden
        return errors.sum(dim=(1, 2, 3))

    def _records(self, batch: Batch, guess: Tensor) -> Columns:
        """Return the sums of the errors of the network and of one colour, and unless it was asked for, the loss."""
        pixels = batch["inputs"]["pixel_values"].float()
        visible = ~self.grid.to_pixels(batch["inputs"]["bool_masked_pos"])
        colour = (pixels * visible).sum(dim=(2, 3), keepdim=True) / visible.sum(dim=(2, 3), keepdim=True)
        sums = {
            "error": self._sum_errors(guess, batch).cpu().double().numpy(),
            "constant": self._sum_errors(colour, batch).cpu().double().numpy(),
        }
        targets = self._count_values(batch).cpu().double().numpy()
        scored = {"loss": sums["error"], "targets": targets} if batch["is_scored"] else {}
        return {"id": batch["id"], **sums, **scored}


def _reconstruct(network: nn.Module, batch: Batch) -> Tensor:
    """Return the network's pictures, in the values that it reads."""
    reconstruction: Tensor = network(**batch["inputs"]).reconstruction
    return reconstruction.float()
