"""Mean average precision of masks, as the COCO challenge defines it, and panoptic quality.

Both are computed from the overlaps of masks, which are measured picture by picture, so that no mask has to be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np

from hone.core.metric import Array, Columns, PlainMetric, SumMetric
from hone.tasks.metrics.boxes import Precisions, evaluate, precision_metrics, require_detection_extra

MATCHING = 0.5
"""Two segments with a larger overlap than this are the same one. No segment has two such partners."""
PANOPTIC = ("overlap", "matched", "extra", "missed")
"""The columns of the records of panoptic quality: rows of numbers, one per class."""


def mask_metrics(labels: Sequence[str]) -> Mapping[str, PlainMetric]:
    """Return the metrics of records with `overlaps`: for each predicted mask its intersection over union with each true
    one, all in one list. The metrics have the names that those of boxes have."""
    return precision_metrics(Precisions(labels, compute_mask_precisions))


def compute_mask_precisions(records: Columns, classes: int) -> np.ndarray[Any, Any]:
    """Return the precision by overlap (0.5 to 0.95), recall (0 to 1) and class; -1 where a class has no true mask."""
    overlaps = Overlaps(records)
    evaluator = type("MaskEvaluator", (require_detection_extra().evaluator,), {"computeIoU": overlaps.of})
    return evaluate(records, classes, (_iter_true(records), _iter_predicted(records)), evaluator)


@final
class Overlaps:
    """Gives pycocotools the overlaps of the records, in its own order."""

    def __init__(self, records: Columns) -> None:
        self.records = records

    @property
    def of(self) -> Any:
        """The method that takes the place of the evaluator's own."""

        def compute_overlaps(evaluation: Any, image: int, category: int) -> Any:
            row = {name: np.asarray(self.records[name][image]) for name in ("predicted_labels", "scores", "label")}
            chosen = np.flatnonzero(row["predicted_labels"] == category)
            order = np.argsort(-row["scores"][chosen], kind="stable")[: evaluation.params.maxDets[-1]]
            overlaps = np.asarray(self.records["overlaps"][image]).reshape(len(row["scores"]), len(row["label"]))
            return overlaps[chosen[order]][:, row["label"] == category].astype(np.float64)

        return compute_overlaps


def _iter_true(records: Columns) -> Iterator[dict[str, Any]]:
    for image, labels in enumerate(records["label"]):
        yield from _describe(image, labels)


def _iter_predicted(records: Columns) -> Iterator[dict[str, Any]]:
    for image, (labels, scores) in enumerate(zip(records["predicted_labels"], records["scores"], strict=True)):
        for thing, score in zip(_describe(image, labels), scores, strict=True):
            yield thing | {"score": float(score)}


def _describe(image: int, labels: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield things as pycocotools reads them. It must find an area, but only compares it with the limits of all."""
    for label in labels:
        yield {"image_id": image, "category_id": int(label), "bbox": [0, 0, 1, 1], "area": 1.0, "iscrowd": 0}


def panoptic_metrics(labels: Sequence[str]) -> Mapping[str, SumMetric]:
    """Return the metrics of records with the columns of `PANOPTIC`.

    The segmentation quality `sq` is the mean overlap of the matched segments, the recognition quality `rq` the F1 of
    finding them, and `pq` their product. Each is the mean over the classes that occur or are predicted."""
    parts = ("", *labels)
    return {
        "pq": SumMetric(_counts, panoptic_quality, parts=parts),
        "sq": SumMetric(_counts, segmentation_quality, parts=parts),
        "rq": SumMetric(_counts, recognition_quality, parts=parts),
    }


def panoptic_quality(sums: Array) -> Any:
    overlap, matched, extra, missed = np.split(sums, 4, axis=-1)
    return _with_mean(overlap, matched + extra / 2 + missed / 2, matched + extra + missed)


def segmentation_quality(sums: Array) -> Any:
    overlap, matched, extra, missed = np.split(sums, 4, axis=-1)
    return _with_mean(overlap, matched, matched + extra + missed)


def recognition_quality(sums: Array) -> Any:
    _, matched, extra, missed = np.split(sums, 4, axis=-1)
    return _with_mean(matched, matched + extra / 2 + missed / 2, matched + extra + missed)


def _with_mean(amounts: Array, counts: Array, segments: Array) -> Any:
    """Return the mean over the classes that have segments, and each of them; 0 where nothing counts, NaN where a class
    has no segment."""
    values = np.where(counts > 0, amounts / np.where(counts > 0, counts, 1), 0.0)
    exists = segments > 0
    mean = np.where(exists, values, 0).sum(axis=-1, keepdims=True) / np.maximum(exists.sum(axis=-1, keepdims=True), 1)
    return np.concatenate([mean, np.where(exists, values, np.nan)], axis=-1)


def _counts(records: Columns) -> Array:
    return np.concatenate([np.array(list(records[name]), dtype=np.float64) for name in PANOPTIC], axis=1)


def match_segments(
    predicted: Array, predicted_labels: Sequence[int], true: Array, true_labels: Sequence[int], classes: int
) -> Array:
    """Return the overlap and the counts of `PANOPTIC` by class, of two maps of numbers.

    A map has -1 where there is no segment, and otherwise the place of the segment in the labels. Pixels without a true
    segment count for nothing: a predicted segment most of whose pixels are there is neither right nor wrong."""
    shape = (len(predicted_labels) + 1, len(true_labels) + 1)
    pairs = np.bincount(((predicted + 1) * shape[1] + true + 1).ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    areas, true_areas, unlabelled = pairs.sum(axis=1)[1:], pairs.sum(axis=0)[1:], pairs[1:, 0]
    both = pairs[1:, 1:]
    union = (areas - unlabelled)[:, None] + true_areas[None, :] - both
    overlaps = np.where(union > 0, both / np.maximum(union, 1), 0.0)
    same = np.asarray(predicted_labels)[:, None] == np.asarray(true_labels)[None, :]
    matches = (overlaps > MATCHING) & same.reshape(overlaps.shape)
    counts = np.zeros((4, classes))
    for place, label in enumerate(predicted_labels):
        partners = matches[place]
        counts[0, label] += overlaps[place, partners].sum()
        counts[1, label] += partners.sum()
        counts[2, label] += not partners.any() and areas[place] > 0 and unlabelled[place] <= MATCHING * areas[place]
    for place, label in enumerate(true_labels):
        counts[3, label] += not matches[:, place].any() and true_areas[place] > 0
    return counts
