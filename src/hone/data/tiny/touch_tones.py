"""Generated telephone numbers as touch tones: each digit is a pair of tones, and a longer pause is a space.

Speed, pitch, loudness and noise are random. A digit that is dialled twice is heard twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import Dataset, Features, Value

from hone.core.metric import Columns
from hone.core.value_types import Count
from hone.data.media.sounds import to_wav
from hone.data.source import Source

_RATE = 8000
_ROWS, _COLUMNS = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0)
"""The frequencies of the rows and columns of keys, in hertz."""
_KEYS = ("123", "456", "789", " 0 ")
_TONES = {
    key: (row, column) for row, keys in zip(_ROWS, _KEYS, strict=True)
    for column, key in zip(_COLUMNS, keys, strict=True) if key != " "
}  # fmt: skip
Samples = np.ndarray[Any, np.dtype[np.float64]]


@final
@dataclass(frozen=True)
class TinyTouchTones(Source):
    """Each split has a random stream of its own."""

    train: Count = 800
    validation: Count = 150
    test: Count = 150

    @property
    def name(self) -> str:
        return "tiny_touch_tones"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        streams = np.random.default_rng(0).spawn(len(sizes))
        return {split: _rows(size, rng) for (split, size), rng in zip(sizes.items(), streams, strict=True)}


def touch_tone_examples() -> Columns:
    """Returns a few numbers that have every digit, for tests and examples."""
    rng = np.random.default_rng(0)
    numbers = ["01 23", "456 7", "88 9", "7 0665", "31 42", "95"]
    return {"audio": [to_wav(_dial(number, rng), _RATE) for number in numbers], "text": numbers}


def _rows(size: int, rng: np.random.Generator) -> Dataset:
    numbers = [_number(rng) for _ in range(size)]
    audio = [to_wav(_dial(number, rng), _RATE) for number in numbers]
    return Dataset.from_dict(
        {"audio": audio, "text": numbers}, Features({"audio": Value("binary"), "text": Value("string")})
    )


def _number(rng: np.random.Generator) -> str:
    """Returns one to three groups of one to three digits."""
    groups = [rng.integers(10, size=rng.integers(1, 4)) for _ in range(rng.integers(1, 4))]
    return " ".join("".join(map(str, group)) for group in groups)


def _dial(number: str, rng: np.random.Generator) -> Samples:
    pitch = rng.uniform(0.98, 1.02)
    parts = [_silence(0.05, 0.1, rng)]
    for key in number:
        parts += [_silence(0.12, 0.2, rng)] if key == " " else [_tones(key, pitch, rng), _silence(0.03, 0.06, rng)]
    sound = np.concatenate([*parts, _silence(0.05, 0.1, rng)])
    noise = rng.uniform(0.02, 0.3)
    return (sound + noise * rng.standard_normal(len(sound))) * rng.uniform(0.05, 0.2)


def _tones(key: str, pitch: float, rng: np.random.Generator) -> Samples:
    time = np.arange(int(rng.uniform(0.06, 0.1) * _RATE)) / _RATE
    low, high = _TONES[key]
    return np.sin(2 * np.pi * low * pitch * time) + np.sin(2 * np.pi * high * pitch * time)


def _silence(shortest: float, longest: float, rng: np.random.Generator) -> Samples:
    return np.zeros(int(rng.uniform(shortest, longest) * _RATE))
