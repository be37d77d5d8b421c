"""Random changes to sounds in training: noise, loudness, position in time, and blank stretches of the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from hone.core.errors import UserError
from hone.data.media.sounds import Wave

Array = np.ndarray[Any, np.dtype[np.float32]]


@final
@dataclass(frozen=True)
class SoundAugmentation:
    """How much is changed at most. Each row draws its own amounts, from 0 up to these."""

    noise: float = 0.0
    """White noise, as a share of the sound's own loudness (RMS)."""
    gain: float = 0.0
    """Louder or softer, in decibels."""
    shift: float = 0.0
    """Earlier or later, in seconds. Silence fills the gap."""
    time_mask: float = 0.0
    """A blank stretch of time, as a share of the whole."""
    frequency_mask: int = 0
    """A blank stretch of frequency bands."""

    @property
    def changes_waves(self) -> bool:
        return bool(self.noise or self.gain or self.shift)

    @property
    def changes_features(self) -> bool:
        return bool(self.time_mask or self.frequency_mask)

    def require_bands(self, reads_spectrograms: bool) -> None:
        """Raise UserError where frequency bands are to be blank, but the network reads samples."""
        if self.frequency_mask and not reads_spectrograms:
            raise UserError(
                f"task.frequency_mask={self.frequency_mask}: this checkpoint reads samples, which have no frequency "
                f"bands. Use task.time_mask."
            )

    def apply_to_wave(self, wave: Wave, rate: int, rng: np.random.Generator) -> Wave:
        """Return the sound with its position, its loudness and noise changed. Its length stays as it is."""
        if self.shift:
            wave = _shift(wave, round(rng.uniform(-self.shift, self.shift) * rate))
        if self.noise:
            loudness = np.sqrt(np.mean(np.square(wave, dtype=np.float64)))
            scale = rng.uniform(0.0, self.noise) * loudness
            wave = wave + (scale * rng.standard_normal(len(wave))).astype(np.float32)
        if self.gain:
            wave = wave * np.float32(10 ** (rng.uniform(-self.gain, self.gain) / 20))
        return wave

    def apply_to_features(self, features: Array, bands: int, rng: np.random.Generator) -> Array:
        """Return features with a stretch of time and a stretch of bands set to their mean, as in SpecAugment.

        Features are samples, or frames with all their bands, which may occur several times in a frame."""
        changed, fill = features.copy(), features.mean()
        if self.time_mask:
            start, end = _stretch(len(changed), self.time_mask * len(changed), rng)
            changed[start:end] = fill
        if self.frequency_mask:
            start, end = _stretch(bands, self.frequency_mask, rng)
            changed.reshape(len(changed), -1, bands)[:, :, start:end] = fill
        return changed


def _shift(wave: Wave, samples: int) -> Wave:
    """Return the sound moved by so many samples: later where they are positive."""
    shifted = np.zeros_like(wave)
    if samples >= 0:
        shifted[samples:] = wave[: max(len(wave) - samples, 0)]
    else:
        shifted[:samples] = wave[-samples:]
    return shifted


def _stretch(size: int, longest: float, rng: np.random.Generator) -> tuple[int, int]:
    """Return the random start and end of a stretch within `size`, which is at most `longest`."""
    length = int(rng.integers(0, int(min(longest, size)) + 1))
    start = int(rng.integers(0, size - length + 1))
    return start, start + length
