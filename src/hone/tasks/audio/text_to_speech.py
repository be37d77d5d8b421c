"""Text to speech, as in SpeechT5: predict the spectrogram of the sound in which a text is spoken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig, SpeechT5Config

from hone.core.draws import Draws
from hone.core.errors import RowError, UserError
from hone.core.metric import Columns, Metric, SumMetric, ratio_codes
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.core.value_types import Place
from hone.data.media.sounds import decode, require_audio_extra, sound_faults, to_wav
from hone.data.tiny.melodies import melody_examples
from hone.tasks.audio.shared.spectrogram_losses import Spectrograms, copy_errors
from hone.tasks.audio.shared.vocoders import load_vocoder, reconstruct, require_vocoder
from hone.tasks.padding import pad_right
from hone.tasks.text.shared.texts import text_faults
from hone.tasks.usage_snippets import speech_snippet

_SIZES = (
    "reduction_factor", "num_mel_bins", "speaker_embedding_dim", "max_speech_positions", "max_text_positions",
    "speech_decoder_prenet_layers", "speech_decoder_prenet_units", "speech_decoder_prenet_dropout",
)  # fmt: skip
_LONGEST = 600
"""The most tokens that the positions of a SpeechT5 allow, whatever its config says."""


@final
@dataclass(eq=False)
class TextToSpeech(Task):
    """The text-to-speech task. Its fields are the options in `conf/task/text_to_speech.yaml`."""

    vocoder: Place | None = None

    roles: ClassVar[tuple[str, ...]] = ("text", "audio")
    optional_roles: ClassVar[tuple[str, ...]] = ("speaker",)
    targets: ClassVar[tuple[str, ...]] = ("audio",)
    lists: ClassVar[tuple[str, ...]] = ("speaker",)
    media: ClassVar[Mapping[str, MediaKind]] = {"audio": "audio"}
    bulky: ClassVar[Mapping[str, MediaKind]] = {"audio": "audio"}
    auto_model: ClassVar[str] = "AutoModelForTextToSpectrogram"
    auto_processor: ClassVar[str] = "AutoProcessor"
    pipeline: ClassVar[str] = "text-to-speech"
    unit: ClassVar[str] = "frames"
    monitor: ClassVar[str] = "mel_l1"

    def __post_init__(self) -> None:
        self.sizes: dict[str, Any] = _sizes_of(SpeechT5Config())
        """What the network's config says of its decoder."""

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("speech")

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return facts

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("speech")

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from text_faults(rows, "text")
        if "audio" in rows.column_names:
            yield from sound_faults(rows, "audio")

    def check(self, facts: Facts) -> None:
        require_audio_extra()
        if self.vocoder is not None:
            require_vocoder(self.vocoder)

    def configure_processor(self, processor: Any) -> None:
        if not hasattr(getattr(processor, "feature_extractor", None), "mel_filters"):
            raise UserError(
                f"checkpoint: {type(processor).__name__} has no mel spectrograms. Choose a SpeechT5, such as "
                f"checkpoint=speecht5."
            )

    def model_config(self) -> dict[str, Any]:
        return {}

    def read_config(self, config: PretrainedConfig) -> None:
        if config.model_type != "speecht5":
            raise UserError(
                f"checkpoint: this task needs a SpeechT5, such as checkpoint=speecht5, not a {config.model_type}."
            )
        self.sizes = _sizes_of(config)

    def encode(self, rows: Columns) -> Columns:
        tokens = self.processor.tokenizer([" ".join(text.split()) for text in rows["text"]], verbose=False)["input_ids"]
        limit = min(_LONGEST, self.sizes["max_text_positions"])
        for row, ids in zip(rows["id"], tokens, strict=True):
            if len(ids) > limit:
                raise RowError(row, "text", f"it makes {len(ids)} tokens, and the network reads at most {limit}")
        encoded: Columns = {"id": rows["id"], "input_ids": tokens, "length": [len(ids) for ids in tokens]}
        if "speaker" in rows:
            pairs = zip(rows["id"], rows["speaker"], strict=True)
            encoded["speaker"] = [self._read_speaker(row, vector) for row, vector in pairs]
        if "audio" in rows:
            encoded["mels"] = [self._read_mel(file).reshape(-1) for file in rows["audio"]]
            encoded["length"] = [len(mel) // self.sizes["num_mel_bins"] for mel in encoded["mels"]]
        return encoded

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        size = self.sizes["speaker_embedding_dim"]
        speakers = rows.get("speaker", [np.zeros(size)] * len(rows["id"]))
        inputs = pad_right(rows["input_ids"], self.processor.tokenizer.pad_token_id)
        inputs["speaker_embeddings"] = torch.from_numpy(np.array([*speakers], dtype=np.float32))
        batch: Batch = {"id": rows["id"], "inputs": inputs}
        return batch | self._pad_targets(rows["mels"], draws) if "mels" in rows else batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        losses = Spectrograms.of(network, batch).losses(_config(network), batch)
        mean: Tensor = losses.sum() / batch["frames"].sum()
        return mean

    def count_targets(self, batch: Batch) -> float:
        return float(batch["frames"].sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        """Return the errors of each row given the true frames before each one. Without them, a spectrogram is generated
        and its length returned."""
        if "mels" not in batch:
            return {"id": batch["id"], "seconds": [self._seconds(mel) for mel in self._generate(network, batch)]}
        predicted = Spectrograms.of(network, batch)
        sums = {
            "loss": predicted.losses(_config(network), batch),
            "targets": batch["frames"].sum(dim=1),
            "error": predicted.errors(batch),
            "copied": copy_errors(_config(network), batch),
        }
        return {"id": batch["id"], **{name: value.double().cpu().numpy() for name, value in sums.items()}}

    def answer(self, network: nn.Module, batch: Batch) -> Columns:
        mels = self._generate(network, batch)
        seconds = [self._seconds(mel) for mel in mels]
        return {"id": batch["id"], "seconds": seconds, "audio": [self._to_sound(mel) for mel in mels]}

    def metrics(self) -> Mapping[str, Metric]:
        return {"mel_l1": SumMetric(_mel_errors, higher_is_better=False)}

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that repeats the last frame which it has read."""
        return records | {"error": records["copied"]}

    def describe(self, record: Mapping[str, Any]) -> str:
        if "error" in record:
            return f"mel L1 {record['error'] / record['targets']:.3f}"
        return f"{record['seconds']:.2f} s"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if "error" in record:
            return {"mel_l1": float(record["error"] / record["targets"])}
        return {name: record[name] for name in ("audio", "seconds") if name in record}

    def question(self) -> dict[str, Any]:
        return {"text": self.sample()["text"][0]}

    def example(self, place: str) -> str:
        return speech_snippet(place, self.question()["text"])

    @classmethod
    def sample(cls) -> Columns:
        return melody_examples()

    def _read_mel(self, file: Any) -> np.ndarray[Any, Any]:
        """Return the spectrogram of a sound: as many frames as whole steps of the decoder."""
        extractor, factor = self.processor.feature_extractor, self.sizes["reduction_factor"]
        wave = decode(file, extractor.sampling_rate)
        if len(wave) < extractor.sample_size:
            raise file.error("too short: the spectrogram needs at least "
                             f"{extractor.sample_size / extractor.sampling_rate:.3f} s")  # fmt: skip
        values = extractor(audio_target=wave, sampling_rate=extractor.sampling_rate)["input_values"][0]
        mel = np.asarray(values, dtype=np.float32)
        mel = mel[: len(mel) // factor * factor]
        if len(mel) // factor > self.sizes["max_speech_positions"]:
            raise file.error(f"{len(mel):,} frames, and the network writes at most "
                             f"{factor * self.sizes['max_speech_positions']:,}")  # fmt: skip
        return mel

    def _read_speaker(self, row: int, vector: Any) -> np.ndarray[Any, Any]:
        size = self.sizes["speaker_embedding_dim"]
        try:
            numbers = np.array(vector, dtype=np.float32)
        except (TypeError, ValueError):
            numbers = np.empty(0, dtype=np.float32)
        if numbers.shape != (size,) or not np.isfinite(numbers).all():
            raise RowError(row, "speaker", f"expected a list of {size} finite numbers, one speaker embedding")
        return numbers

    def _pad_targets(self, rows: Sequence[Any], draws: Draws) -> Batch:
        """Return the true `mels`, which of their `frames` are no padding, and what the prenet's dropout has `kept`."""
        sizes = self.sizes
        draw = (draws if draws.training else Draws(keys=draws.keys)).row  # an evaluation is the same each time
        mels = [np.asarray(row, dtype=np.float32).reshape(-1, sizes["num_mel_bins"]) for row in rows]
        width, factor = max(map(len, mels)), sizes["reduction_factor"]
        layers, units = sizes["speech_decoder_prenet_layers"], sizes["speech_decoder_prenet_units"]
        padded = np.zeros((len(mels), width, sizes["num_mel_bins"]), dtype=np.float32)
        kept = np.zeros((len(mels), layers, width // factor, units), dtype=bool)
        for place, mel in enumerate(mels):
            padded[place, : len(mel)] = mel
            chances = draw(place).random((layers, len(mel) // factor, units), dtype=np.float32)
            kept[place, :, : len(mel) // factor] = chances < sizes["speech_decoder_prenet_dropout"]
        frames = np.arange(width) < np.array([len(mel) for mel in mels])[:, None]
        return {"mels": torch.from_numpy(padded), "frames": torch.from_numpy(frames), "kept": torch.from_numpy(kept)}

    def _generate(self, network: Any, batch: Batch) -> list[Tensor]:
        """Return the spectrogram of each text. Each begins with one seed, for the prenet's dropout is always on."""
        inputs, mels = batch["inputs"], []
        for ids, mask, speaker in zip(*(inputs[name] for name in _INPUTS), strict=True):
            with torch.random.fork_rng():
                torch.manual_seed(0)
                mels.append(network.generate_speech(ids[None, : int(mask.sum())], speaker[None]).float())
        return mels

    def _to_sound(self, mel: Tensor) -> bytes:
        extractor = self.processor.feature_extractor
        if self._vocoder is None:
            return to_wav(reconstruct(mel, extractor), extractor.sampling_rate)
        with torch.inference_mode():
            wave = self._vocoder.to(mel.device)(mel)
        return to_wav(wave.float().cpu().numpy(), extractor.sampling_rate)

    @cached_property
    def _vocoder(self) -> Any:
        """The network that makes sounds of spectrograms, or None for an algorithm."""
        return None if self.vocoder is None else load_vocoder(self.vocoder)

    def _seconds(self, mel: Tensor) -> float:
        extractor = self.processor.feature_extractor
        return len(mel) * float(extractor.sample_stride) / float(extractor.sampling_rate)


_INPUTS = ("input_ids", "attention_mask", "speaker_embeddings")


def _sizes_of(config: PretrainedConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in _SIZES}


def _config(network: Any) -> Any:
    return network.config


def _mel_errors(records: Columns) -> Any:
    return ratio_codes(records["error"], records["targets"])
