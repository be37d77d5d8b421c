"""Image classification: predict one label, any number of labels, or a number for a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from datasets import Dataset
from torch import Tensor, nn

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind
from hone.data.media.images import decode, image_faults
from hone.data.tiny.shapes import shape_examples
from hone.models.processors import is_grey
from hone.tasks.metrics.scalars import top_accuracy
from hone.tasks.padding import stack_features
from hone.tasks.targets.classification import Classification
from hone.tasks.usage_snippets import picture_snippet
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.mixing import MixOptions
from hone.tasks.vision.shared.pixels import require_one_size, require_shapes, to_pixels
from hone.tasks.vision.shared.samples import Sample

_TOP = 5


@final
@dataclass(eq=False)
class ImageClassification(Classification, AugmentOptions, MixOptions):
    """The image classification task. Its fields are the options in `conf/task/image_classification.yaml`."""

    roles: ClassVar[tuple[str, ...]] = ("image", "label")
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForImageClassification"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    pipeline: ClassVar[str] = "image-classification"

    @property
    def independent_rows(self) -> bool:
        return not self.is_mixing

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        yield from self.label_faults(rows, facts)

    def configure_processor(self, processor: Any) -> None:
        require_one_size(processor)

    def encode(self, rows: Columns) -> Columns:
        require_shapes(self.processor, rows["image"])
        # Every picture becomes one of the same size, so that all cost the same.
        return {"id": rows["id"], "length": [1] * len(rows["id"]), **self.encode_labels(rows)}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        if "features" in rows:
            return {"id": rows["id"], "inputs": stack_features(rows["features"]), **self.label_tensor(rows)}
        pictures = [decode(file) for file in rows["image"]]
        if draws.training and self.is_augmenting:
            samples = (self.augment(Sample(picture), draws.row(place)) for place, picture in enumerate(pictures))
            pictures = [sample.picture for sample in samples]
        inputs = {"pixel_values": to_pixels(self.processor, pictures)}
        batch = {"id": rows["id"], "inputs": inputs, **self.label_tensor(rows)}
        return self.mix(batch, draws.batch) if draws.training and self.is_mixing else batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        if "share" not in batch:
            return super().loss(network, batch)
        logits = network(**batch["inputs"]).logits.float()
        own, partners = (self.target.losses(logits, batch[name]) for name in ("labels", "partner_labels"))
        return own.lerp(partners, batch["share"].to(own)).sum() / self._mixed_weights(batch).sum()

    def count_targets(self, batch: Batch) -> float:
        return float(self._mixed_weights(batch).sum()) if "share" in batch else super().count_targets(batch)

    def metrics(self) -> Mapping[str, Metric]:
        metrics = super().metrics()
        if self.facts.kind != "single_label" or len(self.facts.labels) <= _TOP:
            return metrics
        return {"accuracy": metrics["accuracy"], f"top_{_TOP}": top_accuracy(_TOP), **metrics}

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        return picture_snippet(
            self.pipeline, place, self.question()["image"], self.auto_model, grey=is_grey(self.processor)
        )

    @classmethod
    def sample(cls) -> Columns:
        return shape_examples(8)

    def _mixed_weights(self, batch: Batch) -> Tensor:
        own, partners = (self.target.weights(batch[name]) for name in ("labels", "partner_labels"))
        return own.float().lerp(partners.float(), batch["share"])
