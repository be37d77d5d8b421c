"""Tiny networks for sounds: classes of a sound, its text, or the sound of a text."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    PretrainedConfig,
    SeamlessM4TFeatureExtractor,
    SpeechT5Config,
    SpeechT5FeatureExtractor,
    SpeechT5Processor,
    SpeechT5Tokenizer,
    Wav2Vec2BertConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperProcessor,
    WhisperTokenizer,
)

from hone.core.value_types import Count
from hone.models.checkpoints.tiny import Tiny
from hone.models.processors import fit_tokenizer

_BANDS, _STRIDE = 80, 2
"""The bands of a mel spectrogram, and how many of its frames the network reads as one."""
_RATE, _HOP = 16_000, 320
"""The samples of a second, and how many of them are between two frames of Whisper's spectrogram: half as many frames
as in published checkpoints, so that training takes half as long."""
_QUIET = 0.01
"""What a tiny SpeechT5 takes for silence: the details of noise are nothing to be learned."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz .,?!'-"
_TEXT_TOKENS = 40
"""The rows of the table of tokens: one for each of these, and for a few special ones."""
_END, _START = "<|endoftext|>", "<|startoftranscript|>"
_MARKS = (_END, _START, "<|translate|>", "<|transcribe|>", "<|startofprev|>", "<|notimestamps|>")
"""Whisper's own tokens, after one for each byte. Timestamps would come after the last."""


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


@final
@dataclass(frozen=True)
class TinyWhisper(Tiny):
    """An encoder of mel spectrograms with a decoder that writes bytes, so that it can write any text."""

    kind: ClassVar[str] = "tiny_whisper"
    processors: ClassVar[tuple[str, ...]] = ("AutoFeatureExtractor", "AutoProcessor")

    seconds: Count = 3

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "d_model": 64,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 128,
            "decoder_ffn_dim": 128,
            "init_std": 0.1,
            "num_mel_bins": _BANDS,
            "max_source_positions": self.seconds * _RATE // (2 * _HOP),
            "max_target_positions": 64,
        }
        numbers = _byte_vocabulary()
        end: dict[str, Any] = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), numbers[_END])
        begin: dict[str, Any] = {"decoder_start_token_id": numbers[_START], "begin_suppress_tokens": None}
        return WhisperConfig(vocab_size=len(numbers), **sizes, **end, **begin)

    def own_processor(self, auto_class: str) -> Any:
        extractor = WhisperFeatureExtractor(feature_size=_BANDS, chunk_length=self.seconds, hop_length=_HOP)
        if auto_class == "AutoFeatureExtractor":
            return extractor
        special: Any = {"extra_special_tokens": list(_MARKS[1:]), "pad_token": _END}
        tokenizer = WhisperTokenizer(vocab=_byte_vocabulary(), merges=[], **special)
        return WhisperProcessor(extractor, fit_tokenizer(tokenizer, self.config({}), self.name))

    def fingerprint(self) -> str:
        return f"{super().fingerprint()}-{self.seconds}"


@final
@dataclass(frozen=True)
class TinySpeechT5(Tiny):
    """An encoder of small letters with a decoder of mel spectrograms. Dropout is on in its prenet alone."""

    kind: ClassVar[str] = "tiny_speecht5"
    processors: ClassVar[tuple[str, ...]] = ("AutoFeatureExtractor", "AutoProcessor")

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 64,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 128,
            "decoder_ffn_dim": 128,
            "initializer_range": 0.1,
            "speaker_embedding_dim": 16,
            "speech_decoder_prenet_units": 64,
            "speech_decoder_postnet_layers": 2,
            "speech_decoder_postnet_units": 32,
        }
        dropouts = ("positional", "hidden", "attention", "activation", "speech_decoder_postnet")
        none: dict[str, Any] = {f"{name}_dropout": 0.0 for name in dropouts}
        layers: dict[str, Any] = {"encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0, "apply_spec_augment": False}
        return SpeechT5Config(vocab_size=_TEXT_TOKENS, **sizes, **none, **layers)

    def own_processor(self, auto_class: str) -> Any:
        extractor = SpeechT5FeatureExtractor(mel_floor=_QUIET)
        if auto_class == "AutoFeatureExtractor":
            return extractor
        tokenizer = fit_tokenizer(_letters_tokenizer(), self.config({}), self.name)
        return SpeechT5Processor(extractor, tokenizer)


def _letters_tokenizer() -> SpeechT5Tokenizer:
    """Returns a tokenizer with a token for each small letter and some marks, in the way of SpeechT5."""
    import sentencepiece

    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([_LETTERS] * 2), model_writer=content, model_type="char", vocab_size=_TEXT_TOKENS,
        hard_vocab_limit=False, bos_id=0, pad_id=1, eos_id=2, unk_id=3, minloglevel=2,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "letters.model")
        file.write_bytes(content.getvalue())
        return SpeechT5Tokenizer(str(file))


def _byte_vocabulary() -> dict[str, int]:
    """Returns a token for each byte, and Whisper's own."""
    return {token: place for place, token in enumerate([*sorted(ByteLevel.alphabet()), *_MARKS])}
