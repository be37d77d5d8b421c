"""From samples to what a network reads: features as transformers' pipelines compute them, and batches of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from hone.data.media.file import MediaFile
from hone.data.media.sounds import Wave, read_header
from hone.tasks.padding import attention_mask

Array = np.ndarray[Any, np.dtype[np.float32]]


@final
@dataclass(frozen=True, eq=False, slots=True)
class Features:
    """What a network reads of one sound: samples, or the frames of a spectrogram."""

    values: Array
    valid: int
    """How many of them the network attends to: some extractors add a frame that only fills a group."""

    def __len__(self) -> int:
        return len(self.values)


@final
class FeatureReader:
    """The feature extractor of a task's processor. One sound at a time, it gives what a pipeline would get."""

    def __init__(self, processor: Any) -> None:
        self.extractor = getattr(processor, "feature_extractor", processor)
        self.rate = int(self.extractor.sampling_rate)
        self.name: str = self.extractor.model_input_names[0]

    def read(self, wave: Wave) -> Features:
        """Return the features of a sound."""
        extracted = self.extractor(wave, sampling_rate=self.rate, return_tensors="np")
        values = np.asarray(extracted[self.name][0], dtype=np.float32)
        mask = extracted.get("attention_mask")
        return Features(values, len(values) if mask is None else int(mask[0].sum()))

    def read_checked(self, wave: Wave, file: MediaFile) -> Features:
        """Return the features of a sound. Raise RowError where it is too short for them."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # means over no frames; they are refused below
                features = self.read(wave)
        except (ValueError, IndexError) as error:  # arrays of negative sizes
            raise self.too_short(wave, file) from error
        if not features.valid or not np.isfinite(features.values).all():
            raise self.too_short(wave, file)
        return features

    def require_room(self, file: MediaFile, max_seconds: float | None) -> None:
        """Raise RowError for a sound that is longer than `max_seconds`, or would be cut by the extractor."""
        most = min(self.most_seconds, self.most_seconds if max_seconds is None else max_seconds)
        seconds = read_header(file).seconds
        if seconds > most:
            reason = "the network reads" if most == self.most_seconds else "task.max_seconds allows"
            raise file.error(f"too long: {seconds:.2f} s are more than the {most:g} s that {reason}")

    def too_short(self, wave: Wave, file: MediaFile) -> Exception:
        """Return the error for a sound without a single frame."""
        return file.error(f"too short: {len(wave):,} samples ({len(wave) / self.rate:.3f} s) make no frame")

    def change(self, features: Features, change: Callable[[Array], Array]) -> Features:
        """Return the features after a change of their values, which gets them with time as the first dimension."""
        values = change(features.values.T).T if self._bands_first else change(features.values)
        return Features(values, features.valid)

    def time_length(self, features: Features) -> int:
        """Return the length of the features in time."""
        return int(features.values.shape[1 if self._bands_first else 0])

    @property
    def _bands_first(self) -> bool:
        """Whether the first dimension of a spectrogram are its bands, as in Whisper's."""
        shape = self._probes[0].values.shape
        return self.is_fixed and len(shape) == 2 and shape[0] == int(self.extractor.feature_size)

    @property
    def is_spectrogram(self) -> bool:
        """Whether the network reads spectrograms, and not samples."""
        return self._probes[0].values.ndim == 2

    @property
    def is_fixed(self) -> bool:
        """Whether all sounds are padded or cut to one length, which a network then attends to as a whole."""
        half, whole = self._probes
        return bool(half.values.shape == whole.values.shape)

    @property
    def most_seconds(self) -> float:
        """The longest sound that is not cut, as far as the extractor has a limit in samples."""
        samples = getattr(self.extractor, "n_samples", None)
        return math.inf if samples is None else float(samples) / self.rate

    @property
    def bands(self) -> int:
        """The number of bands of a spectrogram. A frame has them several times where it joins several steps."""
        return int(getattr(self.extractor, "num_mel_bins", self.extractor.feature_size))

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of stored features, whose values are one flat list."""
        shape = self._probes[0].values.shape
        return shape if self.is_fixed else (-1, *shape[1:])

    def batch(self, rows: Sequence[Features]) -> dict[str, Tensor]:
        """Return the inputs of the network for these rows, padded on the right, with a mask where it takes one."""
        lengths = [len(row) for row in rows]
        padded = np.full((len(rows), max(lengths), *rows[0].values.shape[1:]), self.extractor.padding_value, np.float32)
        for place, row in enumerate(rows):
            padded[place, : len(row)] = row.values
        inputs = {self.name: torch.from_numpy(padded)}
        if self.is_fixed or "attention_mask" not in self.extractor.model_input_names:
            return inputs
        valid = np.array([row.valid for row in rows])
        return inputs | {"attention_mask": attention_mask(valid, padded.shape[1])}

    @cached_property
    def _probes(self) -> tuple[Features, Features]:
        """The features of half a second and of a second: how they differ says what kind of extractor it is."""
        noise = np.random.default_rng(0).normal(0.0, 0.1, self.rate).astype(np.float32)
        return self.read(noise[: self.rate // 2]), self.read(noise)
