"""Makes a sound of a mel spectrogram: by a network, or by the algorithm of Griffin and Lim.

A mel spectrogram has neither phases nor all frequencies. The algorithm begins with random phases and makes them fit
each other step by step. The result is understandable and sounds metallic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig, SpeechT5HifiGan, SpeechT5HifiGanConfig

from hone.core.errors import UserError, one_line

_KINDS = ("hifigan", SpeechT5HifiGanConfig.model_type)
"""What configs call a vocoder: older files have the first name."""
_STEPS = 32
_LOUDEST = 0.95
Samples = np.ndarray[Any, Any]


def reconstruct(mel: Tensor, extractor: Any) -> Samples:
    """Return the samples of a sound whose spectrogram this is: frames by bands, the logarithms of a feature extractor.
    A sound that is too loud for a file is made softer."""
    bands = 10.0 ** mel.detach().cpu().double().T
    inverse = torch.linalg.pinv(torch.from_numpy(np.asarray(extractor.mel_filters, dtype=np.float64)).T)
    size, hop = int(extractor.n_fft), int(extractor.sample_stride)
    transform: dict[str, Any] = {
        "n_fft": size, "hop_length": hop, "win_length": len(extractor.window),
        "window": torch.from_numpy(np.asarray(extractor.window, dtype=np.float64)),
    }  # fmt: skip
    loudness = (inverse @ bands).clamp(min=0)
    length = hop * (mel.shape[0] - 1)
    generator = torch.Generator().manual_seed(0)
    phases = torch.rand(loudness.shape, generator=generator, dtype=torch.float64) * 2 * torch.pi
    for _ in range(_STEPS):
        wave = torch.istft(torch.polar(loudness, phases), **transform, length=max(length, size))
        phases = torch.stft(wave, **transform, return_complex=True).angle()[:, : loudness.shape[1]]
        phases = torch.nn.functional.pad(phases, (0, loudness.shape[1] - phases.shape[1]))
    samples: Samples = wave.numpy()[:length] if length else wave.numpy()
    return samples * min(1.0, _LOUDEST / max(float(np.abs(samples).max()), 1e-9))


def require_vocoder(source: str) -> None:
    """Raise UserError for a folder or a Hub id without the config of a vocoder."""
    try:
        values, _ = PretrainedConfig.get_config_dict(source)
    except Exception as error:  # the files of a folder decide what goes wrong
        raise _unusable(source, one_line(error)) from error
    if values.get("model_type") not in _KINDS:
        raise _unusable(source, f"its config is that of a {values.get('model_type')}")


def load_vocoder(source: str) -> SpeechT5HifiGan:
    """Return the vocoder of a folder or a Hub id. Raise UserError if it cannot be loaded."""
    try:
        network: SpeechT5HifiGan = SpeechT5HifiGan.from_pretrained(source).eval()
        return network
    except Exception as error:  # as above
        raise _unusable(source, one_line(error)) from error


def _unusable(source: str, problem: str) -> UserError:
    return UserError(f"task.vocoder={source}: no SpeechT5HifiGan can be loaded ({problem}).")
