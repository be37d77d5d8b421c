"""Generated pictures of two things beside or above each other, with two sentences that say so."""

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

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 230), "yellow": (230, 210, 40)}
SHAPES_OF_THINGS = ("circle", "square", "triangle")
SIDE = 32
_RELATIONS = {"across": ("left of", "right of"), "down": ("above", "below")}
"""What is said of the first thing, and of the second one."""


@final
@dataclass(frozen=True)
class Thing:
    """A shape with a colour, and where its centre is."""

    colour: str
    shape: str
    centre: tuple[float, float]

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    def draw(self, picture: Image.Image, rng: Random) -> None:
        """Draw it in a shade of its colour."""
        angle = {"square": math.pi / 4, "triangle": -math.pi / 2}.get(self.shape, 0.0)
        area = stencil(self.shape, SIDE, self.centre, rng.uniform(5.5, 7.5), angle)
        picture.paste(grainy(SIDE, _shade(COLOURS[self.colour], rng), rng), mask=area)


@final
@dataclass(frozen=True)
class TinyScenes(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 1500
    validation: Count = 150
    test: Count = 150

    @property
    def name(self) -> str:
        return "tiny_scenes"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features({"image": Value("binary"), "text": List(Value("string"))})
        return {
            split: Dataset.from_dict(_columns(size, Random(f"tiny_scenes/{split}")), features=features)  # noqa: S311
            for split, size in sizes.items()
        }


def scene_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures with the two sentences about each."""
    return _columns(count, Random("tiny_scenes/examples"))  # noqa: S311


def scene_words() -> list[str]:
    """Return every word of the sentences."""
    relations = " ".join(words for pair in _RELATIONS.values() for words in pair)
    return ["a", *COLOURS, *SHAPES_OF_THINGS, *relations.split()]


def draw_ground(rng: Random) -> Image.Image:
    """Return an empty picture in a dark grey."""
    shade = rng.randrange(15, 50)
    return grainy(SIDE, (shade, shade, shade), rng)


def _columns(count: int, rng: Random) -> dict[str, list[Any]]:
    rows = [_draw(rng) for _ in range(count)]
    return {"image": [to_png(picture) for picture, _ in rows], "text": [texts for _, texts in rows]}


def _draw(rng: Random) -> tuple[Image.Image, list[str]]:
    direction = rng.choice([*_RELATIONS])
    middle = rng.uniform(10, SIDE - 10)
    things = []
    for along in (8, SIDE - 8):
        place = (along + rng.uniform(-1, 1), middle + rng.uniform(-2, 2))
        centre = place if direction == "across" else (place[1], place[0])
        things.append(Thing(rng.choice([*COLOURS]), rng.choice(SHAPES_OF_THINGS), centre))
    picture = draw_ground(rng)
    for thing in things:
        thing.draw(picture, rng)
    first, second = (thing.name for thing in things)
    forth, back = _RELATIONS[direction]
    return picture, [f"a {first} {forth} a {second}", f"a {second} {back} a {first}"]


def _shade(colour: Colour, rng: Random) -> Colour:
    """Return a colour that is a little darker or lighter in each channel."""
    red, green, blue = (min(255, max(0, part + rng.randrange(-20, 21))) for part in colour)
    return red, green, blue
