"""Tiny networks for sounds: classes of a sound, or its text letter by letter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from transformers import PretrainedConfig, SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig

from hone.core.value_types import Count
from hone.models.checkpoints.tiny import Tiny

_BANDS, _STRIDE = 80, 2
"""The bands of a mel spectrogram, and how many of its frames the network reads as one."""


@final
@dataclass(frozen=True)
class TinyWav2Vec2Bert(Tiny):
    """A conformer on mel spectrograms, one step per 20 ms.

    It has layer norms alone. The group norm of wav2vec 2.0 would make a row depend on the padding of its batch. Nothing
    is masked at random inside the network, whose draws do not follow the seed of a row.
    """

    kind: ClassVar[str] = "tiny_wav2vec2_bert"
    processors: ClassVar[tuple[str, ...]] = ("AutoFeatureExtractor",)

    sampling_rate: Count = 16_000

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "feature_projection_input_dim": _BANDS * _STRIDE,
            "classifier_proj_size": 64,
            "conv_depthwise_kernel_size": 15,
        }
        random: dict[str, Any] = {"apply_spec_augment": False, "layerdrop": 0.0, "final_dropout": 0.0}
        return Wav2Vec2BertConfig(vocab_size=32, **sizes, **random)  # a task that spells sets its own vocabulary

    def own_processor(self, auto_class: str) -> Any:
        return SeamlessM4TFeatureExtractor(
            feature_size=_BANDS, num_mel_bins=_BANDS, stride=_STRIDE, sampling_rate=self.sampling_rate
        )

    def fingerprint(self) -> str:
        return f"{super().fingerprint()}-{self.sampling_rate}"
