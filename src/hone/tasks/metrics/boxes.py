"""Mean average precision of boxes, as the COCO challenge defines it and pycocotools computes it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, NamedTuple, final

import numpy as np

from hone.core.errors import UserError, one_line
from hone.core.metric import Columns, PlainMetric

MOST = 100
"""How many boxes of a picture count, the most certain ones: the challenge's own limit."""


def detection_metrics(labels: Sequence[str]) -> Mapping[str, PlainMetric]:
    """Return the metrics of records with boxes. They share one computation.

    `map` is the mean over ten overlaps from 0.5 to 0.95 and over the classes, `map_50` that at 0.5, `map_75` that at
    0.75; `ap` has each class over the ten overlaps. Classes that no picture has do not count."""
    return precision_metrics(Precisions(labels, compute_precisions))


def precision_metrics(precisions: Precisions) -> Mapping[str, PlainMetric]:
    return {
        "map": PlainMetric(lambda records: _mean(precisions.of(records))),
        "map_50": PlainMetric(lambda records: _mean(precisions.of(records)[:1])),
        "map_75": PlainMetric(lambda records: _mean(precisions.of(records)[5:6])),
        "ap": PlainMetric(precisions.by_class),
    }


@final
class CocoTools(NamedTuple):
    """The parts of pycocotools."""

    index: Any
    evaluator: Any
    masks: Any


def require_detection_extra() -> CocoTools:
    """Return what computes the scores. Raise UserError where the extra that brings it is missing."""
    try:
        from pycocotools import mask
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise UserError(
            f"boxes and masks need the package pycocotools ({one_line(error)}). "
            f"Install it with: pip install 'hone-lab[detection]'"
        ) from error
    return CocoTools(COCO, COCOeval, mask)


@final
class Precisions:
    """The precision of records by overlap, recall and class, -1 for classes that no picture has."""

    def __init__(self, labels: Sequence[str], compute: Callable[[Columns, int], np.ndarray[Any, Any]]) -> None:
        self.labels, self.compute = labels, compute
        self._last: tuple[Columns, np.ndarray[Any, Any]] | None = None

    def of(self, records: Columns) -> np.ndarray[Any, Any]:
        if self._last is None or self._last[0] is not records:
            self._last = records, self.compute(records, len(self.labels))
        return self._last[1]

    def by_class(self, records: Columns) -> dict[str, float]:
        by_class = self.of(records).swapaxes(0, 2)
        return {name: _mean(each) for name, each in zip(self.labels, by_class, strict=True) if (each > -1).any()}


def compute_precisions(records: Columns, classes: int) -> np.ndarray[Any, Any]:
    """Return the precision by overlap (0.5 to 0.95), recall (0 to 1) and class; -1 where a class has no true box."""
    return evaluate(
        records, classes, (_iter_true(records), _iter_predicted(records)), require_detection_extra().evaluator
    )


def evaluate(
    records: Columns, classes: int, things: tuple[Iterable[dict[str, Any]], Iterable[dict[str, Any]]], evaluator: Any
) -> np.ndarray[Any, Any]:
    """Return the precisions of true and predicted things; `evaluator` is a class that measures their overlaps."""
    with redirect_stdout(io.StringIO()):  # pycocotools prints what it does
        true, predicted = (_index(require_detection_extra().index, records, classes, each) for each in things)
        evaluation = evaluator(true, predicted, "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [MOST]
        evaluation.evaluate()
        evaluation.accumulate()
    precision: np.ndarray[Any, Any] = evaluation.eval["precision"][:, :, :, 0, 0]
    return precision


def _index(coco: Any, records: Columns, classes: int, boxes: Iterable[dict[str, Any]]) -> Any:
    """Return boxes in the library's own form. Its `loadRes` would refuse an empty list of predictions."""
    index = coco()
    index.dataset = {
        "images": [{"id": place} for place in range(len(records["id"]))],
        "categories": [{"id": place} for place in range(classes)],
        "annotations": [box | {"id": place} for place, box in enumerate(boxes, 1)],  # 0 would mean: not matched
    }
    index.createIndex()
    return index


def _iter_true(records: Columns) -> Iterator[dict[str, Any]]:
    for image, (boxes, labels) in enumerate(zip(records["boxes"], records["label"], strict=True)):
        yield from _describe(image, boxes, labels)


def _iter_predicted(records: Columns) -> Iterator[dict[str, Any]]:
    columns = (records[name] for name in ("predicted_boxes", "predicted_labels", "scores"))
    for image, (boxes, labels, scores) in enumerate(zip(*columns, strict=True)):
        for box, score in zip(_describe(image, boxes, labels), scores, strict=True):
            yield box | {"score": float(score)}


def _describe(image: int, boxes: Iterable[Any], labels: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for box, label in zip(boxes, labels, strict=True):
        sides = [float(side) for side in box]
        area = sides[2] * sides[3]
        yield {"image_id": image, "category_id": int(label), "bbox": sides, "area": area, "iscrowd": 0}


def _mean(precisions: np.ndarray[Any, Any]) -> float:
    """Return the mean over what counts; 0 where no picture has a box."""
    counted = precisions[precisions > -1]
    return float(counted.mean()) if len(counted) else 0.0
