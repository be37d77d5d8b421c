"""What audio tasks do with sounds: decode them, check them once, and store or compute what the network reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from torch import Tensor

from hone.core.draws import Draws
from hone.core.metric import Columns
from hone.core.value_types import Switch
from hone.data.media.file import MediaFile
from hone.data.media.sounds import Wave, decode, read_header
from hone.tasks.audio.shared.augmentation import SoundAugmentation
from hone.tasks.audio.shared.features import FeatureReader, Features
from hone.tasks.audio.shared.frames import Frames, count_frames


@final
@dataclass(frozen=True, eq=False)
class SoundEncoder:
    """Encodes sounds and makes batches of them.

    Every sound is decoded once before training, so that a bad one is reported in time. Where nothing changes its
    samples from one epoch to the next, its spectrogram is stored with the encoded row; otherwise batches decode it.
    """

    processor: Any
    augmentation: SoundAugmentation
    max_seconds: float | None
    store: Switch

    @cached_property
    def reader(self) -> FeatureReader:
        return FeatureReader(self.processor)

    @cached_property
    def stores(self) -> bool:
        """Whether encoded rows have the features."""
        if self.store != "auto":
            return self.store
        repeated = self.max_seconds is None and not self.augmentation.changes_waves
        return repeated and self.reader.is_spectrogram and not self.reader.is_fixed

    def encode(self, files: Sequence[MediaFile], frames: Frames) -> Columns:
        """Return the `length` of each sound in frames of the network, and its features if they are stored."""
        lengths: list[int] = []
        stored: list[Features] = []
        for file in files:
            wave = self._decode(file, None)
            features = self.reader.read_checked(wave, file)
            lengths.append(count_frames(self.reader.time_length(features), frames))
            if lengths[-1] < 1:
                raise self.reader.too_short(wave, file)
            if self.stores:
                stored.append(features)
        if not self.stores:
            return {"length": lengths}
        values = [features.values.reshape(-1) for features in stored]
        return {"length": lengths, "spectrogram": values, "valid": [features.valid for features in stored]}

    def inputs(self, rows: Columns, draws: Draws) -> dict[str, Tensor]:
        """Return the inputs of the network for encoded rows."""
        return self.reader.batch([self._features(rows, place, draws) for place in range(len(rows["id"]))])

    def _features(self, rows: Columns, place: int, draws: Draws) -> Features:
        rng = draws.row(place) if draws.training else None
        if "spectrogram" in rows:
            values = np.asarray(rows["spectrogram"][place], dtype=np.float32).reshape(self.reader.row_shape)
            features = Features(values, int(rows["valid"][place]))
        else:
            wave = self._decode(rows["audio"][place], rng)
            if rng is not None:
                wave = self.augmentation.apply_to_wave(wave, self.reader.rate, rng)
            features = self.reader.read(wave)
        if rng is None or not self.augmentation.changes_features:
            return features
        return self.reader.change(features, lambda values: self._mask(values, rng))

    def _mask(self, values: Any, rng: np.random.Generator) -> Any:
        return self.augmentation.apply_to_features(values, self.reader.bands, rng)

    def _decode(self, file: MediaFile, rng: np.random.Generator | None) -> Wave:
        """Return the samples: of a sound that is too long, a random part in training and the middle otherwise."""
        if self.max_seconds is None:
            return decode(file, self.reader.rate)
        spare = read_header(file).seconds - self.max_seconds
        if spare <= 0:
            return decode(file, self.reader.rate)
        start = spare / 2 if rng is None else rng.uniform(0.0, spare)
        return decode(file, self.reader.rate, start, self.max_seconds)
