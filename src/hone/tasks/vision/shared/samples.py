"""A picture with what lies in it, and changes of its geometry that move all of them alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Self, final

import numpy as np
from PIL import Image

Matrix = np.ndarray[Any, np.dtype[np.floating[Any]]]
Points = np.ndarray[Any, np.dtype[np.floating[Any]]]

_GREY = (127, 127, 127)
"""The colour of what a turned picture does not cover."""


@final
@dataclass(frozen=True, eq=False)
class Sample:
    """A picture, and where the task has them its mask, the masks of its segments, its boxes and its points."""

    picture: Image.Image
    mask: Image.Image | None = None
    """One value per pixel."""
    boxes: Points | None = None
    """Rows of left, top, right and bottom, in pixels."""
    points: Points | None = None
    """Rows of x and y, in pixels."""
    unlabelled: int = 0
    """The value of the mask where a turned picture covers nothing."""
    segments: tuple[Image.Image, ...] = ()
    """A mask for each segment: 0 where it is not. They may overlap."""

    @property
    def size(self) -> tuple[int, int]:
        """The width and the height."""
        return self.picture.size


@final
@dataclass(frozen=True, eq=False)
class Geometry:
    """A change of geometry: where each pixel of the new picture comes from, and the new width and height."""

    source: Matrix
    """Takes a place in the new picture to one in the old picture."""
    size: tuple[int, int]

    @classmethod
    def identity(cls, size: tuple[int, int]) -> Self:
        return cls(np.eye(3), size)

    def crop(self, left: int, top: int, width: int, height: int) -> Self:
        """Keep a part of the picture."""
        return replace(self, source=self.source @ _shift(left, top), size=(width, height))

    def flip(self, horizontally: bool) -> Self:
        """Mirror the picture: left becomes right, or top becomes bottom."""
        width, height = self.size
        mirror = np.diag([-1.0, 1.0, 1.0]) if horizontally else np.diag([1.0, -1.0, 1.0])
        back = _shift(width, 0) if horizontally else _shift(0, height)
        return replace(self, source=self.source @ back @ mirror)

    def rotate(self, degrees: float) -> Self:
        """Turn the picture around its centre, clockwise."""
        angle = math.radians(degrees)
        turn = np.array(
            [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]], dtype=float
        )
        return self._around_centre(turn)

    def shear(self, x: float, y: float) -> Self:
        """Slant the picture: `x` moves its top against its bottom, `y` its left side against its right side."""
        return self._around_centre(np.array([[1, x, 0], [y, 1, 0], [0, 0, 1]], dtype=float))

    def translate(self, x: float, y: float) -> Self:
        """Move the picture to the right and down, by pixels."""
        return replace(self, source=self.source @ _shift(-x, -y))

    def apply(self, sample: Sample) -> Sample:
        """Return the changed sample. Boxes are cut at the border, and may have no area then."""
        forward = np.linalg.inv(self.source)
        return replace(
            sample,
            picture=self._transform(sample.picture, Image.Resampling.BILINEAR, _GREY),
            mask=sample.mask and self._transform(sample.mask, Image.Resampling.NEAREST, sample.unlabelled),
            segments=tuple(self._transform(each, Image.Resampling.NEAREST, 0) for each in sample.segments),
            boxes=None if sample.boxes is None else self._move_boxes(sample.boxes, forward),
            points=None if sample.points is None else _move(sample.points, forward),
        )

    def _around_centre(self, change: Matrix) -> Self:
        width, height = self.size
        there, back = _shift(width / 2, height / 2), _shift(-width / 2, -height / 2)
        return replace(self, source=reduce(np.matmul, [self.source, there, change, back]))

    def _transform(self, picture: Image.Image, resampling: Image.Resampling, outside: Any) -> Image.Image:
        coefficients = tuple(self.source[:2].ravel().tolist())
        return picture.transform(
            self.size, Image.Transform.AFFINE, coefficients, resample=resampling, fillcolor=outside
        )

    def _move_boxes(self, boxes: Points, forward: Matrix) -> Points:
        """Return the upright boxes around the moved corners."""
        corners = _move(boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2), forward).reshape(-1, 4, 2)
        moved = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        return moved.clip(0, [*self.size, *self.size])


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=float)


def _move(points: Points, forward: Matrix) -> Points:
    return points @ forward[:2, :2].T + forward[:2, 2]
