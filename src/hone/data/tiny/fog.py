"""Generated pictures of things in fog with their depths: what is far away is small, pale and behind what is near."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any, final

import numpy as np
from datasets import Dataset, Features, Value
from PIL import Image

from hone.core.value_types import Count
from hone.data.source import Source
from hone.data.tiny.shapes import SHAPES, Colour, draw_colours, grainy, stencil, to_png

_SIDE = 64
_FOG = 205
"""The grey of the fog."""
_VISIBILITY = 4.0
"""The distance, in metres, at which about a third of a colour is left."""


@final
@dataclass(frozen=True)
class TinyFog(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 400
    validation: Count = 100
    test: Count = 100

    @property
    def name(self) -> str:
        return "tiny_fog"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features({"image": Value("binary"), "depth": Value("binary")})
        return {
            split: Dataset.from_dict(_columns(size, Random(f"tiny_fog/{split}")), features=features)  # noqa: S311
            for split, size in sizes.items()
        }


def fog_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures with their depths in millimetres."""
    return _columns(count, Random("tiny_fog/examples"))  # noqa: S311


def _columns(count: int, rng: Random) -> dict[str, list[Any]]:
    pairs = [_draw(rng) for _ in range(count)]
    return {"image": [to_png(picture) for picture, _ in pairs], "depth": [to_png(depth) for _, depth in pairs]}


def _draw(rng: Random) -> tuple[Image.Image, Image.Image]:
    """Return a picture of a wall with things before it, the farthest first, and the depth of each pixel."""
    wall = rng.uniform(5, 9)
    picture = grainy(_SIDE, _seen_from(draw_colours(rng)[0], wall), rng)
    depths = np.full((_SIDE, _SIDE), round(1000 * wall), dtype=np.uint16)
    for depth in sorted((rng.uniform(1, wall) for _ in range(rng.randrange(2, 6))), reverse=True):
        centre = (rng.uniform(4, _SIDE - 4), rng.uniform(4, _SIDE - 4))
        area = stencil(rng.choice(SHAPES), _SIDE, centre, 6 + 18 / depth, rng.uniform(0, math.tau))
        picture.paste(grainy(_SIDE, _seen_from(draw_colours(rng)[0], depth), rng), mask=area)
        depths[np.asarray(area)] = round(1000 * depth)
    return picture, Image.fromarray(depths)


def _seen_from(colour: Colour, distance: float) -> Colour:
    """Return what fog leaves of a colour."""
    left = math.exp(-distance / _VISIBILITY)
    red, green, blue = (round(left * part + (1 - left) * _FOG) for part in colour)
    return red, green, blue
