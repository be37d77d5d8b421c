"""Generated pictures of textures in two colours: stripes of four directions, checks and rings.

A texture has one width and one place, so that a part of a picture tells what the rest looks like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any, final

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value
from PIL import Image

from hone.core.value_types import Count
from hone.data.source import Source
from hone.data.tiny.shapes import draw_colours, grainy, to_png

_SIDE = 28
_PERIOD = 8
"""The width of two stripes in pixels."""
TEXTURES = ("checks", "falling stripes", "horizontal stripes", "rings", "rising stripes", "vertical stripes")
_DIRECTIONS = {"horizontal stripes": (0, 1), "vertical stripes": (1, 0), "rising stripes": (1, 1),
               "falling stripes": (1, -1)}  # fmt: skip
"""What stripes cross, as x and y."""


@final
@dataclass(frozen=True)
class TinyTextures(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 2000
    validation: Count = 300
    test: Count = 300

    @property
    def name(self) -> str:
        return "tiny_textures"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: _rows(size, Random(f"tiny_textures/{split}")) for split, size in sizes.items()}  # noqa: S311


def texture_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures with the names of their textures, each texture in turn."""
    rng = Random("tiny_textures/examples")  # noqa: S311
    labels = [TEXTURES[place % len(TEXTURES)] for place in range(count)]
    return {"image": [to_png(_picture(label, rng)) for label in labels], "label": labels}


def _rows(size: int, rng: Random) -> Dataset:
    labels = [rng.choice(TEXTURES) for _ in range(size)]
    features = Features({"image": Value("binary"), "label": ClassLabel(names=list(TEXTURES))})
    pictures = [to_png(_picture(label, rng)) for label in labels]
    return Dataset.from_dict({"image": pictures, "label": labels}, features=features)


def _picture(texture: str, rng: Random) -> Image.Image:
    ground, colour = draw_colours(rng)
    picture = grainy(_SIDE, ground, rng)
    picture.paste(grainy(_SIDE, colour, rng), mask=Image.fromarray(_waves(texture) > 0))
    return picture


def _waves(texture: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a wave for each pixel, whose positive half gets the other colour."""
    y, x = (np.mgrid[:_SIDE, :_SIDE] + 0.5) * math.tau / _PERIOD
    if texture == "checks":
        return np.asarray(np.sin(x) * np.sin(y))
    if texture == "rings":
        middle = _SIDE / 2 * math.tau / _PERIOD
        return np.asarray(np.sin(np.hypot(x - middle, y - middle)))
    across, down = _DIRECTIONS[texture]
    return np.asarray(np.sin((across * x + down * y) / math.hypot(across, down)))
