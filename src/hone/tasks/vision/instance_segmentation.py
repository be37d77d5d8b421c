"""Instance segmentation: find the things in a picture, with a mask and a class for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from hone.core.metric import Columns, Metric
from hone.data.tiny.segments import instance_examples
from hone.tasks.metrics.boxes import require_detection_extra
from hone.tasks.metrics.masks import mask_metrics
from hone.tasks.usage_snippets import pipeline_snippet, to_literal
from hone.tasks.vision.shared.segments import Areas
from hone.tasks.vision.shared.universal import Segmented, UniversalSegmentation


@final
@dataclass(eq=False)
class InstanceSegmentation(UniversalSegmentation):
    """The instance segmentation task. Its fields are the options in `conf/task/instance_segmentation.yaml`."""

    roles: ClassVar[tuple[str, ...]] = ("image", "segments", "label")
    optional_roles: ClassVar[tuple[str, ...]] = ("mask",)
    kind: ClassVar[str] = "instance"
    monitor: ClassVar[str] = "map"

    def segment(self, output: Any, size: tuple[int, int]) -> Segmented:
        """Return all masks of the network, those of low scores included. They may overlap."""
        (result,) = self.processor.post_process_instance_segmentation(
            output, threshold=0.0, target_sizes=[size], return_binary_maps=True
        )
        segments = result["segments_info"]
        areas = result["segmentation"].cpu().numpy() > 0 if segments else np.zeros((0, *size), dtype=bool)
        return Segmented([each["label_id"] for each in segments], [each["score"] for each in segments], areas)

    def measure(self, segmented: Segmented, areas: Areas, labels: Sequence[int]) -> dict[str, Any]:
        tools = require_detection_extra().masks
        predicted, true = (
            tools.encode(np.asfortranarray(each.transpose(1, 2, 0).astype(np.uint8)))
            for each in (segmented.areas, areas)
        )
        overlaps = np.zeros((len(predicted), len(true)))
        if predicted and true:
            overlaps = tools.iou(predicted, true, [0] * len(true))
        return {"overlaps": overlaps.astype(np.float32).ravel()}  # records are stored, as rows of numbers

    def number(self, segmented: Segmented) -> Any:
        """Return a map in which later segments lie on earlier ones, as a pipeline paints them."""
        numbers = np.zeros(segmented.areas.shape[1:], dtype=np.int32)
        certain = np.flatnonzero(np.asarray(segmented.scores) >= self.threshold)
        for number, place in enumerate(certain, 1):
            numbers[segmented.areas[place]] = number
        return numbers.astype(np.uint8 if len(certain) < 256 else np.uint16)

    def metrics(self) -> Mapping[str, Metric]:
        return mask_metrics(self.facts.labels)

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that finds one thing everywhere, of the most frequent class."""
        usual, count = int(np.argmax(self.facts.counts)), len(records["id"])
        return records | {
            "predicted_labels": [np.array([usual])] * count,
            "scores": [np.array([1.0])] * count,
            "overlaps": [np.asarray(shares) for shares in records["shares"]],
        }

    def example(self, place: str) -> str:
        picture = to_literal(self.question()["image"])
        return pipeline_snippet(self.pipeline, place, f'{picture}, subtask="instance", threshold={self.threshold:g}')

    @classmethod
    def sample(cls) -> Columns:
        return instance_examples(8)
