"""Generated pictures with a mask that numbers their segments: single things, or things and the land around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, final

from datasets import Dataset, Features, List, Value
from PIL import Image

from hone.core.value_types import Count
from hone.data.source import Source
from hone.data.tiny.land import COVERS, draw_land
from hone.data.tiny.objects import draw_objects
from hone.data.tiny.shapes import Colour, grainy, stencil, to_png

BUILDINGS = ("house", "silo")
"""The things of `tiny_farms`. They stand on the land, which has the other classes."""
_SHAPES: Mapping[str, str] = {"house": "square", "silo": "circle"}
_COLOURS: Mapping[str, Colour] = {"house": (200, 50, 40), "silo": (235, 235, 245)}
_TRIES = 20
"""How often a place for another building is looked for."""

Part = tuple[str, Image.Image]
"""The class of a segment, and a picture of ones where it is."""


@dataclass(frozen=True)
class TinySegments(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 500
    validation: Count = 100
    test: Count = 100
    columns: dict[str, Any] = field(default_factory=lambda: {"mask": "mask"})

    def load_parts(self, draw: Callable[[Random], tuple[Image.Image, list[Part]]]) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features(
            {
                "image": Value("binary"),
                "mask": Value("binary"),
                "segments": List(Value("int64")),
                "label": List(Value("string")),
            }
        )
        return {
            split: Dataset.from_dict(_columns(size, Random(f"{self.name}/{split}"), draw), features=features)  # noqa: S311
            for split, size in sizes.items()
        }


@final
@dataclass(frozen=True)
class TinyInstances(TinySegments):
    """The things of `tiny_objects`, with masks instead of boxes."""

    @property
    def name(self) -> str:
        return "tiny_instances"

    def load(self) -> dict[str, Dataset]:
        return self.load_parts(draw_objects)


@final
@dataclass(frozen=True)
class TinyFarms(TinySegments):
    """The land of `tiny_land` with buildings on it: each kind of land is one segment, and so is each building."""

    @property
    def name(self) -> str:
        return "tiny_farms"

    def load(self) -> dict[str, Dataset]:
        return self.load_parts(_draw_farm)


def instance_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures of things, with a mask that numbers them and their names."""
    return _columns(count, Random("tiny_instances/examples"), draw_objects)  # noqa: S311


def farm_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures of land with buildings, with a mask that numbers all of it and the names."""
    return _columns(count, Random("tiny_farms/examples"), _draw_farm)  # noqa: S311


def _columns(count: int, rng: Random, draw: Callable[[Random], tuple[Image.Image, list[Part]]]) -> dict[str, list[Any]]:
    scenes = [draw(rng) for _ in range(count)]
    return {
        "image": [to_png(picture) for picture, _ in scenes],
        "mask": [to_png(_number(parts, picture.size)) for picture, parts in scenes],
        "segments": [[*range(1, len(parts) + 1)] for _, parts in scenes],
        "label": [[name for name, _ in parts] for _, parts in scenes],
    }


def _number(parts: list[Part], size: tuple[int, int]) -> Image.Image:
    """Return a mask in which the parts are 1, 2 and so on."""
    mask = Image.new("L", size)
    for number, (_, area) in enumerate(parts, 1):
        mask.paste(number, mask=area)
    return mask


def _draw_farm(rng: Random) -> tuple[Image.Image, list[Part]]:
    """Return land with up to three buildings, which do not overlap."""
    picture, land = draw_land(rng)
    side = picture.width
    taken = Image.new("1", picture.size)
    buildings: list[Part] = []
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3))):
        name, radius = rng.choice(BUILDINGS), rng.uniform(6, 10)
        area = _find_room(_SHAPES[name], radius, taken, rng)
        if area is None:
            continue
        taken.paste(1, area.getbbox())
        picture.paste(grainy(side, _COLOURS[name], rng), mask=area)
        land.paste(len(COVERS), mask=area)
        buildings.append((name, area))
    areas = [(name, land.point([255 * (value == place) for value in range(256)], "1"))
             for place, name in enumerate(COVERS)]  # fmt: skip
    return picture, [(name, area) for name, area in areas if area.getbbox()] + buildings


def _find_room(shape: str, radius: float, taken: Image.Image, rng: Random) -> Image.Image | None:
    for _ in range(_TRIES):
        centre = (rng.uniform(radius, taken.width - radius), rng.uniform(radius, taken.height - radius))
        area = stencil(shape, taken.width, centre, radius, 0.0)
        if taken.crop(area.getbbox()).getbbox() is None:
            return area
    return None
