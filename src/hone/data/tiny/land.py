"""Generated pictures of rock with meadows, sand and water, as seen from above, with masks that say what is where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, final

from datasets import Dataset, Features, Value
from PIL import Image

from hone.core.value_types import Count, Labels
from hone.data.source import Source
from hone.data.tiny.shapes import Colour, grainy, stencil, to_png

COVERS = ("rock", "meadow", "sand", "water")
"""What the values of a mask stand for."""
_COLOURS: Mapping[str, Colour] = {
    "rock": (125, 115, 110), "meadow": (90, 135, 80), "sand": (175, 155, 105), "water": (70, 105, 150),
}  # fmt: skip
_SIDE = 64
_AREAS = ("circle", "cross", "half moon", "ring", "square", "triangle")


@final
@dataclass(frozen=True)
class TinyLand(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 400
    validation: Count = 100
    test: Count = 100
    labels: Labels = field(default_factory=lambda: [*COVERS])

    @property
    def name(self) -> str:
        return "tiny_land"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features({"image": Value("binary"), "mask": Value("binary")})
        return {
            split: Dataset.from_dict(_columns(size, Random(f"tiny_land/{split}")), features=features)  # noqa: S311
            for split, size in sizes.items()
        }


def land_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures with their masks."""
    return _columns(count, Random("tiny_land/examples"))  # noqa: S311


def _columns(count: int, rng: Random) -> dict[str, list[Any]]:
    pairs = [draw_land(rng) for _ in range(count)]
    return {"image": [to_png(picture) for picture, _ in pairs], "mask": [to_png(mask) for _, mask in pairs]}


def draw_land(rng: Random) -> tuple[Image.Image, Image.Image]:
    """Return a picture and its mask. Later areas lie on earlier ones; the light differs from picture to picture."""
    light = rng.uniform(0.6, 1.3)
    picture, mask = _cover("rock", light, rng), Image.new("L", (_SIDE, _SIDE))
    for _ in range(rng.randrange(2, 5)):
        kind, radius = rng.randrange(1, len(COVERS)), rng.uniform(10, 22)
        centre = (rng.uniform(0, _SIDE), rng.uniform(0, _SIDE))
        area = stencil(rng.choice(_AREAS), _SIDE, centre, radius, rng.uniform(0, math.tau))
        picture.paste(_cover(COVERS[kind], light, rng), mask=area)
        mask.paste(kind, mask=area)
    return picture, mask


def _cover(kind: str, light: float, rng: Random) -> Image.Image:
    """Return a square of one kind, in about its colour."""
    red, green, blue = (round(light * (part + rng.uniform(-35, 35))) for part in _COLOURS[kind])
    return grainy(_SIDE, (red, green, blue), rng, grain=20)
