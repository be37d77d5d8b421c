"""Generated sounds of half a second: a tone, a chord, a rising or a falling tone, pulses, or a band of noise.

Pitch, loudness and length are random, and each sound lies in noise, sometimes so much that nobody could tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value

from hone.core.metric import Columns
from hone.core.value_types import Count
from hone.data.media.sounds import to_wav
from hone.data.source import Source

RATE = 8000
Samples = np.ndarray[Any, np.dtype[np.float64]]


@final
@dataclass(frozen=True)
class TinyTones(Source):
    """Each split has a random stream of its own."""

    train: Count = 1200
    validation: Count = 150
    test: Count = 150

    @property
    def name(self) -> str:
        return "tiny_tones"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        streams = np.random.default_rng(0).spawn(len(sizes))
        return {split: _rows(size, rng) for (split, size), rng in zip(sizes.items(), streams, strict=True)}


def tone_examples() -> Columns:
    """Returns two sounds of each kind, for tests and examples."""
    rng = np.random.default_rng(0)
    labels = [*_KINDS] * 2
    return {"audio": [to_wav(_sound(label, rng), RATE) for label in labels], "label": labels}


def _rows(size: int, rng: np.random.Generator) -> Dataset:
    names = [*_KINDS]
    labels = rng.integers(len(names), size=size).tolist()
    audio = [to_wav(_sound(names[label], rng), RATE) for label in labels]
    features = Features({"audio": Value("binary"), "label": ClassLabel(names=names)})
    return Dataset.from_dict({"audio": audio, "label": labels}, features)


def _sound(kind: str, rng: np.random.Generator) -> Samples:
    """Returns a sound with silence before and after it, all of it in noise."""
    time = np.arange(int(rng.uniform(0.25, 0.5) * RATE)) / RATE
    pitch = float(np.exp(rng.uniform(np.log(250), np.log(1200))))
    sound = _KINDS[kind](time, pitch, rng)
    around = [np.zeros(int(rng.uniform(0.1, 0.2) * RATE)) for _ in range(2)]
    mixed = np.concatenate([around[0], sound / np.sqrt(np.mean(sound**2)), around[1]])
    noise = float(np.exp(rng.uniform(np.log(0.02), np.log(0.4))))
    return (mixed + noise * rng.standard_normal(len(mixed))) * rng.uniform(0.02, 0.2)


def _tone(time: Samples, pitch: float, rng: np.random.Generator) -> Samples:
    return np.sin(2 * np.pi * pitch * time)


def _chord(time: Samples, pitch: float, rng: np.random.Generator) -> Samples:
    third = rng.choice([6 / 5, 5 / 4])
    return sum((_tone(time, pitch * ratio, rng) for ratio in (1.0, third, 3 / 2)), np.zeros_like(time))


def _glide(time: Samples, pitch: float, rng: np.random.Generator, rises: bool) -> Samples:
    """Returns a tone that moves by 0.7 to 1.5 octaves."""
    octaves = rng.uniform(0.7, 1.5) * (1 if rises else -1)
    course = pitch * 2 ** (octaves * (time / time[-1] - 0.5))
    return np.sin(2 * np.pi * np.cumsum(course) / RATE)


def _pulses(time: Samples, pitch: float, rng: np.random.Generator) -> Samples:
    """Returns a tone that is switched on and off."""
    return _tone(time, pitch, rng) * (np.sin(2 * np.pi * rng.uniform(8, 16) * time) > 0)


def _noise_band(time: Samples, pitch: float, rng: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(rng.standard_normal(len(time)))
    frequencies = np.fft.rfftfreq(len(time), 1 / RATE)
    spectrum[(frequencies < pitch / 1.2) | (frequencies > pitch * 1.2)] = 0
    return np.fft.irfft(spectrum, len(time))


_KINDS: dict[str, Callable[[Samples, float, np.random.Generator], Samples]] = {
    "tone": _tone,
    "chord": _chord,
    "rising": partial(_glide, rises=True),
    "falling": partial(_glide, rises=False),
    "pulses": _pulses,
    "noise": _noise_band,
}
