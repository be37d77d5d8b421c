"""Generated pictures of one shape each: of any size, place, angle and colour, on a grainy ground with thin lines."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from random import Random
from typing import Any, final

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value
from PIL import Image, ImageDraw

from hone.core.value_types import Count
from hone.data.source import Source

Colour = tuple[int, int, int]

_SIDE = 28
_STEPS = 32
"""The corners of what is drawn as a circle."""
SHAPES = ("circle", "cross", "diamond", "half moon", "ring", "square", "star", "triangle")


@final
@dataclass(frozen=True)
class TinyShapes(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 2000
    validation: Count = 400
    test: Count = 400

    @property
    def name(self) -> str:
        return "tiny_shapes"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: _rows(size, split) for split, size in sizes.items()}


def shape_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures with the names of their shapes, each shape in turn."""
    rng = Random("tiny_shapes/examples")  # noqa: S311
    labels = [SHAPES[place % len(SHAPES)] for place in range(count)]
    return {"image": [to_png(_picture(label, rng)) for label in labels], "label": labels}


def to_png(picture: Image.Image) -> bytes:
    """Return a picture as the content of a file. It is not compressed: that would depend on the version of zlib."""
    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=0)
    return content.getvalue()


def grainy(side: int, colour: Colour, rng: Random, grain: float = 8.0) -> Image.Image:
    """Return a square of about one colour."""
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, grain, (side, side, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def stencil(shape: str, side: int, centre: tuple[float, float], radius: float, angle: float) -> Image.Image:
    """Return a square in black and white whose white part is a shape."""
    picture = Image.new("1", (side, side))
    draw = ImageDraw.Draw(picture)
    x, y = centre
    draw.polygon([(x + radius * math.cos(turn + angle) * far, y + radius * math.sin(turn + angle) * far)
                  for turn, far in _outline(shape)], fill=1)  # fmt: skip
    if shape in ("ring", "half moon"):
        off = 0.55 * radius if shape == "half moon" else 0.0
        x, y, radius = x + off * math.cos(angle), y + off * math.sin(angle), radius * (0.8 if off else 0.55)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return picture


def draw_colours(rng: Random) -> tuple[Colour, Colour]:
    """Draw two colours that can be told apart."""
    while True:
        first, second = ([rng.randrange(30, 226) for _ in range(3)] for _ in range(2))
        if sum(abs(one - other) for one, other in zip(first, second, strict=True)) > 200:
            return (first[0], first[1], first[2]), (second[0], second[1], second[2])


def _rows(size: int, split: str) -> Dataset:
    rng = Random(f"tiny_shapes/{split}")  # noqa: S311
    labels = [rng.choice(SHAPES) for _ in range(size)]
    pictures = [to_png(_picture(label, rng)) for label in labels]
    features = Features({"image": Value("binary"), "label": ClassLabel(names=list(SHAPES))})
    return Dataset.from_dict({"image": pictures, "label": labels}, features=features)


def _picture(shape: str, rng: Random) -> Image.Image:
    ground, colour = draw_colours(rng)
    picture = grainy(_SIDE, ground, rng)
    radius = rng.uniform(8, 12)
    centre = (rng.uniform(radius, _SIDE - radius), rng.uniform(radius, _SIDE - radius))
    area = stencil(shape, _SIDE, centre, radius, rng.uniform(0, math.tau))
    picture.paste(grainy(_SIDE, colour, rng), mask=area)
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.randrange(2)):
        ends = [(rng.randrange(_SIDE), rng.randrange(_SIDE)) for _ in range(2)]
        draw.line(ends, fill=rng.choice((ground, colour)))
    return picture


def _outline(shape: str) -> list[tuple[float, float]]:
    """Return the corners of a shape: their angles, and their distances from its centre."""
    if shape in ("circle", "ring", "half moon"):
        return [(math.tau * step / _STEPS, 1.0) for step in range(_STEPS)]
    if shape == "cross":  # each of its arms is a third as wide as the cross
        tip, inner = math.atan2(1, 3), math.sqrt(2) / math.sqrt(10)
        return [(arm * math.pi / 2 + turn, far) for arm in range(4)
                for turn, far in ((-tip, 1.0), (tip, 1.0), (math.pi / 4, inner))]  # fmt: skip
    count = {"diamond": 4, "square": 4, "star": 10, "triangle": 3}[shape]
    far = {"diamond": (1.0, 0.5), "star": (1.0, 0.45)}.get(shape, (1.0, 1.0))
    return [(math.tau * corner / count, far[corner % 2]) for corner in range(count)]
