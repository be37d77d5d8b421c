"""Panoptic segmentation: divide a picture into segments with a class each, both things and what surrounds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from hone.core.errors import UserError, did_you_mean
from hone.core.metric import Columns, Metric
from hone.core.task import Facts
from hone.core.value_types import Share
from hone.data.tiny.segments import farm_examples
from hone.tasks.metrics.masks import MATCHING, PANOPTIC, match_segments, panoptic_metrics
from hone.tasks.usage_snippets import pipeline_snippet, to_literal
from hone.tasks.vision.shared.segments import Areas
from hone.tasks.vision.shared.universal import Segmented, UniversalSegmentation


@final
@dataclass(eq=False)
class PanopticSegmentation(UniversalSegmentation):
    """The panoptic segmentation task. Its fields are the options in `conf/task/panoptic_segmentation.yaml`."""

    mask_threshold: Share = 0.5
    overlap_threshold: Share = 0.8
    merge_classes: list[str] | None = None

    roles: ClassVar[tuple[str, ...]] = ("image", "mask", "segments", "label")
    kind: ClassVar[str] = "panoptic"
    monitor: ClassVar[str] = "pq"

    def check(self, facts: Facts) -> None:
        super().check(facts)
        for name in self.merge_classes or []:
            if name not in facts.labels:
                raise UserError(f"task.merge_classes: no class {name!r}.{did_you_mean(name, facts.labels)}")

    def segment(self, output: Any, size: tuple[int, int]) -> Segmented:
        # transformers merges classes itself, but then gives later segments the number of earlier ones.
        (result,) = self.processor.post_process_panoptic_segmentation(
            output, threshold=self.threshold, mask_threshold=self.mask_threshold,
            overlap_mask_area_threshold=self.overlap_threshold, label_ids_to_fuse=set(), target_sizes=[size],
        )  # fmt: skip
        segments = result["segments_info"]
        numbers = result["segmentation"].cpu().numpy().astype(np.int32) if segments else np.zeros(size, dtype=np.int32)
        return self.merge_classes_of(
            Segmented([each["label_id"] for each in segments], [each["score"] for each in segments], numbers - 1)
        )

    def measure(self, segmented: Segmented, areas: Areas, labels: Sequence[int]) -> dict[str, Any]:
        true = np.full(segmented.areas.shape, -1)
        for place, area in enumerate(areas):
            true[area] = place
        counts = match_segments(segmented.areas, segmented.labels, true, labels, len(self.facts.labels))
        return dict(zip(PANOPTIC, counts, strict=True))

    def number(self, segmented: Segmented) -> Any:
        return (segmented.areas + 1).astype(np.uint8 if len(segmented.labels) < 256 else np.uint16)

    def metrics(self) -> Mapping[str, Metric]:
        return panoptic_metrics(self.facts.labels)

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that makes one segment of each picture, of the most frequent class."""
        usual = int(np.argmax(self.facts.counts))
        rows = [self._count_whole(*pair, usual) for pair in zip(records["shares"], records["label"], strict=True)]
        return records | {name: [row[place] for row in rows] for place, name in enumerate(PANOPTIC)}

    def example(self, place: str) -> str:
        options = {"threshold": self.threshold, "mask_threshold": self.mask_threshold,
                   "overlap_mask_area_threshold": self.overlap_threshold}  # fmt: skip
        given = ", ".join(f"{name}={value:g}" for name, value in options.items())
        return pipeline_snippet(
            self.pipeline, place, f'{to_literal(self.question()["image"])}, subtask="panoptic", {given}'
        )

    @classmethod
    def sample(cls) -> Columns:
        return farm_examples(8)

    def merge_classes_of(self, segmented: Segmented) -> Segmented:
        """Make one segment of all those of a class that is to be merged. It has the highest of their scores."""
        merged = {self.facts.labels.index(name) for name in self.merge_classes or []}
        labels: list[int] = []
        scores: list[float] = []
        places = []
        for label, score in zip(segmented.labels, segmented.scores, strict=True):
            place = labels.index(label) if label in merged and label in labels else len(labels)
            if place == len(labels):
                labels.append(label)
                scores.append(score)
            scores[place] = max(scores[place], score)
            places.append(place)
        return Segmented(labels, scores, np.array([*places, -1])[segmented.areas])

    def _count_whole(self, shares: Any, labels: Any, usual: int) -> Any:
        """Return the counts of a picture that is one segment. Shares are of all pixels, and those without a segment do
        not count."""
        whole = max(float(np.sum(shares)), 1e-9)
        counts = np.zeros((len(PANOPTIC), len(self.facts.labels)))
        matches = (np.asarray(labels) == usual) & (np.asarray(shares) / whole > MATCHING)
        counts[0, usual] = np.sum(np.asarray(shares)[matches]) / whole
        counts[1, usual] = matches.sum()
        counts[2, usual] = not matches.any() and 1 - whole <= MATCHING
        np.add.at(counts[3], np.asarray(labels, dtype=np.int64)[~matches], 1)
        return counts
