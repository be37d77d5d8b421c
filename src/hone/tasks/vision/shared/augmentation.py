"""Random changes of training pictures. All that a picture contains moves with it: its mask, its boxes, its points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from hone.core.value_types import Index, KeptShare, NotNegative, Share
from hone.tasks.vision.shared.colours import OPERATIONS, erase, jitter
from hone.tasks.vision.shared.samples import Geometry, Sample

_RATIOS = (3 / 4, 4 / 3)
"""The shapes of crops: width divided by height, relative to the picture's."""


@dataclass(eq=False)
class AugmentOptions:
    """The options of a task that changes training pictures at random. With the defaults it changes none."""

    crop: KeptShare = 1.0
    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    rotate: NotNegative = 0.0
    colour: Share = 0.0
    erase: Share = 0.0
    random_operations: Index = 0
    magnitude: Share = 0.5

    @property
    def is_augmenting(self) -> bool:
        chances = (self.rotate, self.colour, self.erase, self.random_operations)
        return self.crop < 1 or self.flip != "none" or any(chances)

    def augment(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return a changed sample. Its geometry is computed in one go, so that pixels are interpolated once."""
        chosen = self._choose_operations(rng)
        geometry = self._draw_geometry(sample, chosen, rng)
        if not np.array_equal(geometry.source, np.eye(3)) or geometry.size != sample.size:
            sample = geometry.apply(sample)
        return replace(sample, picture=self._recolour(sample.picture, chosen, rng))

    def _choose_operations(self, rng: np.random.Generator) -> dict[str, float]:
        """Choose different operations and their strengths."""
        if not self.random_operations:
            return {}
        names = [*_MOVES, *OPERATIONS]
        chosen = rng.permutation(len(names))[: self.random_operations]
        return {names[place]: rng.uniform(-self.magnitude, self.magnitude) for place in chosen}

    def _draw_geometry(self, sample: Sample, chosen: Mapping[str, float], rng: np.random.Generator) -> Geometry:
        geometry = Geometry.identity(sample.size)
        for name, strength in chosen.items():
            geometry = _MOVES[name](geometry, strength) if name in _MOVES else geometry
        if self.rotate:
            geometry = geometry.rotate(rng.uniform(-self.rotate, self.rotate))
        if self.flip in ("horizontal", "both") and rng.random() < 0.5:
            geometry = geometry.flip(horizontally=True)
        if self.flip in ("vertical", "both") and rng.random() < 0.5:
            geometry = geometry.flip(horizontally=False)
        return _crop(geometry, self.crop, rng) if self.crop < 1 else geometry

    def _recolour(self, picture: Image.Image, chosen: Mapping[str, float], rng: np.random.Generator) -> Image.Image:
        for name, strength in chosen.items():
            picture = OPERATIONS[name](picture, strength) if name in OPERATIONS else picture
        if self.colour:
            picture = jitter(picture, self.colour, rng)
        return erase(picture, rng) if self.erase and rng.random() < self.erase else picture


def _crop(geometry: Geometry, smallest: float, rng: np.random.Generator) -> Geometry:
    """Keep a random part: a share of the area from `smallest` to 1, of roughly the picture's shape."""
    share, shape = rng.uniform(smallest, 1), np.sqrt(np.exp(rng.uniform(*np.log(_RATIOS))))
    sides = np.clip(np.sqrt(share) * np.array([shape, 1 / shape]), 0, 1) * geometry.size
    width, height = (max(1, round(side)) for side in sides)
    left, top = (int(rng.integers(room + 1)) for room in np.subtract(geometry.size, (width, height)))
    return geometry.crop(left, top, width, height)


_MOVES: Mapping[str, Callable[[Geometry, float], Geometry]] = {
    "rotate": lambda geometry, strength: geometry.rotate(60 * strength),
    "shear_x": lambda geometry, strength: geometry.shear(0.6 * strength, 0),
    "shear_y": lambda geometry, strength: geometry.shear(0, 0.6 * strength),
    "translate_x": lambda geometry, strength: geometry.translate(0.6 * strength * geometry.size[0], 0),
    "translate_y": lambda geometry, strength: geometry.translate(0, 0.6 * strength * geometry.size[1]),
}
"""The random operations that change the geometry."""
