"""Image classification: predict one label, any number of labels, or a number for a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from datasets import Dataset

from hone.core.draws import Draws
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault, MediaKind
from hone.data.media.images import decode, image_faults
from hone.data.tiny.shapes import shape_examples
from hone.models.processors import is_grey
from hone.tasks.padding import stack_features
from hone.tasks.usage_snippets import picture_snippet
from hone.tasks.vision.shared.mixed_classes import MixedClassification
from hone.tasks.vision.shared.pixels import require_one_size, require_shapes, to_pixels
from hone.tasks.vision.shared.samples import Sample


@final
@dataclass(eq=False)
class ImageClassification(MixedClassification):
    """The image classification task. Its fields are the options in `conf/task/image_classification.yaml`."""

    roles: ClassVar[tuple[str, ...]] = ("image", "label")
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForImageClassification"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    pipeline: ClassVar[str] = "image-classification"

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

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        return picture_snippet(
            self.pipeline, place, self.question()["image"], self.auto_model, grey=is_grey(self.processor)
        )

    @classmethod
    def sample(cls) -> Columns:
        return shape_examples(8)
