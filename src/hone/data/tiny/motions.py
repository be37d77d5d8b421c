"""Generated videos of a square that moves to one of four sides. What leaves on one side comes back on the other.

Where the square is in a single frame says nothing about the side: only the order of the frames does.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value
from PIL import Image

from hone.core.metric import Columns
from hone.core.value_types import Count
from hone.data.source import Source

_SIDE, _FRAMES = 32, 16
_MILLISECONDS = 60
"""How long a frame is shown."""
_STEPS = {"down": (1, 0), "left": (0, -1), "right": (0, 1), "up": (-1, 0)}
"""How the row and the column of the square change."""
MOTIONS = tuple(_STEPS)
Frames = np.ndarray[Any, np.dtype[np.uint8]]


@final
@dataclass(frozen=True)
class TinyMotions(Source):
    """Each split has a random stream of its own."""

    train: Count = 800
    validation: Count = 160
    test: Count = 160

    @property
    def name(self) -> str:
        return "tiny_motions"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        streams = np.random.default_rng(0).spawn(len(sizes))
        return {split: _rows(size, rng) for (split, size), rng in zip(sizes.items(), streams, strict=True)}


def motion_examples(count: int) -> Columns:
    """Return a few videos with the names of their sides, each side in turn."""
    rng = np.random.default_rng(0)
    labels = [MOTIONS[place % len(MOTIONS)] for place in range(count)]
    return {"video": [to_gif(_draw(label, rng)) for label in labels], "label": labels}


def to_gif(frames: Frames) -> bytes:
    """Return grey frames as the content of a file. Nothing is lost, and no video encoder is needed."""
    first, *others = [Image.fromarray(frame) for frame in frames]
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, duration=_MILLISECONDS, optimize=False)
    return content.getvalue()


def _rows(size: int, rng: np.random.Generator) -> Dataset:
    labels = [MOTIONS[place] for place in rng.integers(len(MOTIONS), size=size)]
    features = Features({"video": Value("binary"), "label": ClassLabel(names=list(MOTIONS))})
    return Dataset.from_dict({"video": [to_gif(_draw(label, rng)) for label in labels], "label": labels}, features)


def _draw(motion: str, rng: np.random.Generator) -> Frames:
    """Return the frames of a square of any size, place, speed and contrast on a grainy ground."""
    size, pixels = int(rng.integers(8, 14)), rng.uniform(1.0, 2.0)
    ground = rng.integers(60, 196)
    shade = ground + rng.choice([-1, 1]) * rng.integers(50, 101)
    frames = rng.normal(ground, 8, (_FRAMES, _SIDE, _SIDE))
    start = rng.integers(_SIDE, size=2)
    for number, frame in enumerate(frames):
        shift = np.round(number * pixels * np.array(_STEPS[motion])).astype(int)
        rows, columns = ((start[axis] + shift[axis] + np.arange(size)) % _SIDE for axis in (0, 1))
        frame[np.ix_(rows, columns)] += shade - ground
    return frames.round().clip(0, 255).astype(np.uint8)
