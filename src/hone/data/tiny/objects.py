"""Generated pictures of a few things on a grainy ground, with the box and the name of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any, final

from datasets import Dataset, Features, List, Value
from PIL import Image

from hone.core.value_types import Count
from hone.data.source import Source
from hone.data.tiny.shapes import Colour, grainy, stencil, to_png

THINGS = ("blue", "green", "red")
"""The classes: what colour things have. They have any of the shapes."""
_SHAPES = ("circle", "square", "triangle")
_SIDE = 64
_TRIES = 50
"""How often a place for another thing is looked for."""


@final
@dataclass(frozen=True)
class TinyObjects(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 1000
    validation: Count = 100
    test: Count = 100

    @property
    def name(self) -> str:
        return "tiny_objects"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features(
            {"image": Value("binary"), "boxes": List(List(Value("int64"))), "label": List(Value("string"))}
        )
        return {
            split: Dataset.from_dict(_columns(size, Random(f"tiny_objects/{split}")), features=features)  # noqa: S311
            for split, size in sizes.items()
        }


def object_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures with the boxes of their things, and the names of these."""
    return _columns(count, Random("tiny_objects/examples"))  # noqa: S311


def _columns(count: int, rng: Random) -> dict[str, list[Any]]:
    rows = [draw_objects(rng) for _ in range(count)]
    return {
        "image": [to_png(picture) for picture, _ in rows],
        "boxes": [[_box(area) for _, area in things] for _, things in rows],
        "label": [[name for name, _ in things] for _, things in rows],
    }


def draw_objects(rng: Random) -> tuple[Image.Image, list[tuple[str, Image.Image]]]:
    """Return a picture and its things: their names, and where they are. They do not overlap; now and then there is
    none."""
    picture = grainy(_SIDE, (shade := rng.randrange(20, 60), shade, shade), rng)
    taken = Image.new("1", (_SIDE, _SIDE))
    things: list[tuple[str, Image.Image]] = []
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 2, 2, 2, 3))):
        name, area = _place(rng, taken)
        if area is None:
            continue
        picture.paste(grainy(_SIDE, _colour(name, rng), rng), mask=area)
        taken.paste(1, area.getbbox())
        things.append((name, area))
    return picture, things


def _box(area: Image.Image) -> list[int]:
    left, top, right, bottom = area.getbbox() or (0, 0, 0, 0)
    return [left, top, right - left, bottom - top]


def _place(rng: Random, taken: Image.Image) -> tuple[str, Image.Image | None]:
    """Return a thing and where it is, or None if there is no room for it."""
    name, shape, radius = rng.choice(THINGS), rng.choice(_SHAPES), rng.uniform(9, 16)
    angle = {"square": math.pi / 4, "triangle": -math.pi / 2}.get(shape, 0.0)
    for _ in range(_TRIES):
        centre = (rng.uniform(radius, _SIDE - radius), rng.uniform(radius, _SIDE - radius))
        area = stencil(shape, _SIDE, centre, radius, angle)
        if taken.crop(area.getbbox()).getbbox() is None:
            return name, area
    return name, None


def _colour(name: str, rng: Random) -> Colour:
    """Return a colour in which one channel is much brighter than the others."""
    red, green, blue = (rng.randrange(170, 230) if each == name else rng.randrange(40, 110)
                        for each in ("red", "green", "blue"))  # fmt: skip
    return red, green, blue
