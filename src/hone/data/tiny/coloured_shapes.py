"""Generated pictures of a coloured shape with a sentence about each, and labelled ones of shapes in other colours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any, final

from datasets import ClassLabel, Dataset, Features, Value
from PIL import Image

from hone.core.value_types import Count
from hone.data.source import Source
from hone.data.tiny.shapes import Colour, grainy, stencil, to_png

_SIDE = 32
_COLOURS: dict[str, Colour] = {
    "red": (200, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 70, 210),
    "yellow": (225, 205, 50),
    "purple": (140, 50, 170),
    "orange": (240, 135, 30),
}
_GROUNDS: dict[str, Colour] = {"white": (235, 235, 235), "grey": (125, 125, 125), "black": (20, 20, 20)}
_SHAPES = ("circle", "cross", "ring", "square", "star", "triangle")
_SIZES = {"small": (5.0, 7.0), "large": (10.0, 14.0)}
_SENTENCES = (
    "a {size} {colour} {shape} on {ground}",
    "a {shape} that is {size} and {colour} , on {ground}",
    "on {ground} : one {colour} {shape} , {size}",
    "a photo of a {size} {colour} {shape} in front of {ground}",
)
COLOURED_WORDS = (
    *dict.fromkeys(word for sentence in _SENTENCES for word in sentence.split() if word.isalpha()),
    *_COLOURS, *_GROUNDS, *_SHAPES, *_SIZES,
)  # fmt: skip
"""All words of the sentences."""
UNSEEN = tuple(zip(_COLOURS, _SHAPES, strict=True))
"""A shape for each colour that never have this colour in the pictures with sentences."""
SEEN = tuple(pair for pair in product(_COLOURS, _SHAPES) if pair not in UNSEEN)
UNSEEN_NAMES = tuple(" ".join(pair) for pair in UNSEEN)


@final
@dataclass(frozen=True)
class TinyColouredShapes(Source):
    """Pictures with a sentence each. It has the same rows on every machine."""

    train: Count = 4000
    validation: Count = 200
    test: Count = 200

    @property
    def name(self) -> str:
        return "tiny_coloured_shapes"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: Dataset.from_dict(_described(size, split)) for split, size in sizes.items()}


@final
@dataclass(frozen=True)
class TinyUnseenShapes(Source):
    """Pictures with a label of two words, a colour and a shape that `tiny_coloured_shapes` never shows together."""

    train: Count = 60
    validation: Count = 60
    test: Count = 240

    @property
    def name(self) -> str:
        return "tiny_unseen_shapes"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features({"image": Value("binary"), "label": ClassLabel(names=list(UNSEEN_NAMES))})
        return {split: Dataset.from_dict(_labelled(size, split), features=features) for split, size in sizes.items()}


def described_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures with their sentences."""
    return _described(count, "examples")


def unseen_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures with the names of their colour and shape."""
    rows = _labelled(count, "examples")
    return {**rows, "label": [UNSEEN_NAMES[label] for label in rows["label"]]}


def _described(count: int, split: str) -> dict[str, list[Any]]:
    """Return pictures of seen combinations with a sentence each."""
    rng = Random(f"tiny_coloured_shapes/{split}")  # noqa: S311
    rows: dict[str, list[Any]] = {"image": [], "text": []}
    for _ in range(count):
        words = _draw(*rng.choice(SEEN), rng)
        rows["image"].append(to_png(_picture(words, rng)))
        rows["text"].append(rng.choice(_SENTENCES).format(**words))
    return rows


def _labelled(count: int, split: str) -> dict[str, list[Any]]:
    """Return pictures of each unseen combination in turn, with its number."""
    rng = Random(f"tiny_unseen_shapes/{split}")  # noqa: S311
    labels = [place % len(UNSEEN) for place in range(count)]
    return {"image": [to_png(_picture(_draw(*UNSEEN[label], rng), rng)) for label in labels], "label": labels}


def _draw(colour: str, shape: str, rng: Random) -> dict[str, str]:
    """Draw what a picture shows beside a shape and its colour."""
    return {"colour": colour, "shape": shape, "size": rng.choice([*_SIZES]), "ground": rng.choice([*_GROUNDS])}


def _picture(words: dict[str, str], rng: Random) -> Image.Image:
    picture = grainy(_SIDE, _GROUNDS[words["ground"]], rng)
    radius = rng.uniform(*_SIZES[words["size"]])
    centre = (rng.uniform(radius, _SIDE - radius), rng.uniform(radius, _SIDE - radius))
    area = stencil(words["shape"], _SIDE, centre, radius, rng.uniform(0, math.tau))
    picture.paste(grainy(_SIDE, _COLOURS[words["colour"]], rng), mask=area)
    return picture
