"""Generated sounds that spell a word: each letter from a to g is a tone of one pitch, a space is noise alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import Dataset, Features, Value

from hone.core.metric import Columns
from hone.core.value_types import Count
from hone.data.media.sounds import to_wav
from hone.data.source import Source

_RATE = 16_000
LETTERS = "abcdefg"
_PITCHES = {letter: 300.0 * 1.4**place for place, letter in enumerate(LETTERS)}
"""The frequency of each letter, in hertz."""
_SECONDS = 0.096
"""How long a letter lasts."""
_NOISE = 0.001


@final
@dataclass(frozen=True)
class TinyMelodies(Source):
    """Each split has a random stream of its own."""

    train: Count = 800
    validation: Count = 60
    test: Count = 60

    @property
    def name(self) -> str:
        return "tiny_melodies"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        streams = np.random.default_rng(0).spawn(len(sizes))
        return {split: _rows(size, rng) for (split, size), rng in zip(sizes.items(), streams, strict=True)}


def melody_examples() -> Columns:
    """Return a few words that have every letter, for tests and examples."""
    rng = np.random.default_rng(0)
    words = ["abc", "de fg", "gab", "fade", "bed cab", "egg"]
    return {"text": words, "audio": [to_wav(_play(word, rng), _RATE) for word in words]}


def _rows(size: int, rng: np.random.Generator) -> Dataset:
    words = [_word(rng) for _ in range(size)]
    audio = [to_wav(_play(word, rng), _RATE) for word in words]
    return Dataset.from_dict(
        {"text": words, "audio": audio}, Features({"text": Value("string"), "audio": Value("binary")})
    )


def _word(rng: np.random.Generator) -> str:
    """Return three to seven letters, sometimes with a space among them."""
    letters = [LETTERS[place] for place in rng.integers(len(LETTERS), size=rng.integers(3, 8))]
    if len(letters) > 4 and rng.random() < 0.5:
        letters[2] = " "
    return "".join(letters)


def _play(word: str, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    time = np.arange(round(_SECONDS * _RATE)) / _RATE
    tones = [np.sin(2 * np.pi * _PITCHES.get(letter, 0.0) * time) for letter in word]
    sound = 0.2 * np.concatenate(tones)
    return sound + _NOISE * rng.standard_normal(len(sound))
