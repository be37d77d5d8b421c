"""Speech recognition by an encoder and a decoder, as in Whisper: the decoder writes what the encoder has heard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, final

from datasets import Dataset
from transformers import GenerationConfig

from hone.core.draws import Draws
from hone.core.errors import RowError, UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind
from hone.core.value_types import Index, NotNegative, PartialShare, Positive, Switch
from hone.data.media.sounds import require_audio_extra, sound_faults
from hone.data.tiny.touch_tones import touch_tone_examples
from hone.models.compatibility import end_token
from hone.tasks.audio.shared.augmentation import SoundAugmentation
from hone.tasks.audio.shared.decoder_prompt import DecoderPrompt, prompt_tokens, with_prompt
from hone.tasks.audio.shared.features import FeatureReader
from hone.tasks.audio.shared.frames import CountsFrames
from hone.tasks.audio.shared.sounds import SoundEncoder
from hone.tasks.encoder_decoder import EncoderDecoder, pad_labels
from hone.tasks.generation import generation_settings
from hone.tasks.metrics.transcripts import require_jiwer, transcript_metrics
from hone.tasks.text.shared.texts import text_faults
from hone.tasks.usage_snippets import sound_pipeline_snippet


@final
@dataclass(eq=False)
class SpeechRecognitionSeq2Seq(EncoderDecoder, CountsFrames):
    """The task of writing down speech. Its fields are the options in `conf/task/speech_recognition_seq2seq.yaml`."""

    language: str | None = None
    task: Literal["transcribe", "translate"] | None = None
    max_seconds: Positive | None = None
    noise: NotNegative = 0.0
    gain: NotNegative = 0.0
    time_mask: PartialShare = 0.0
    frequency_mask: Index = 0
    store_features: Switch = "auto"

    roles: ClassVar[tuple[str, ...]] = ("audio", "text")
    targets: ClassVar[tuple[str, ...]] = ("text",)
    media: ClassVar[Mapping[str, MediaKind]] = {"audio": "audio"}
    auto_model: ClassVar[str] = "AutoModelForSpeechSeq2Seq"
    auto_processor: ClassVar[str] = "AutoProcessor"
    pipeline: ClassVar[str] = "automatic-speech-recognition"
    monitor: ClassVar[str] = "wer"

    @cached_property
    def sounds(self) -> SoundEncoder:
        """How sounds are read."""
        return SoundEncoder(self.processor, self._augmentation, None, self.store_features)

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return facts

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from sound_faults(rows, "audio")
        if "text" in rows.column_names:
            yield from text_faults(rows, "text")

    def check(self, facts: Facts) -> None:
        require_audio_extra()
        require_jiwer()
        if self.store_features is True and self._augmentation.changes_waves:
            raise UserError(
                "task.store_features=true: noise and gain change the samples in every epoch, so that there is nothing "
                "to store. Set task.store_features=auto."
            )

    def configure_processor(self, processor: Any) -> None:
        self._augmentation.require_bands(FeatureReader(processor).is_spectrogram)
        if end_token(processor.tokenizer) is None:
            name = type(processor.tokenizer).__name__
            raise UserError(f"checkpoint: {name} has no end token, so generation would never stop.")
        self._prompt.apply_to(processor.tokenizer)

    def configure_generation(self, network: Any) -> None:
        network.generation_config = self._settings(network)

    def check_network(self, network: Any) -> None:
        self._prompt.require(network.generation_config, self.processor.tokenizer)

    def encode(self, rows: Columns) -> Columns:
        reader = self.sounds.reader
        for file in rows["audio"]:
            reader.require_room(file, self.max_seconds)
        encoded = {"id": rows["id"], **self.sounds.encode(rows["audio"], self.frames)}
        if "text" not in rows:
            return encoded
        texts = [" ".join(text.split()) for text in rows["text"]]
        labels, limit = self._labels(texts), self.processor.tokenizer.model_max_length
        for row, tokens in zip(rows["id"], labels, strict=True):
            if len(tokens) > limit:
                raise RowError(row, "text", f"it makes {len(tokens)} tokens, and the decoder has {limit} positions")
        return encoded | {"text": texts, "labels": labels}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        batch: Batch = {"id": rows["id"], "inputs": self.sounds.inputs(rows, draws)}
        return batch | {"text": list(rows["text"]), "labels": pad_labels(rows["labels"])} if "labels" in rows else batch

    def generate(self, network: Any, inputs: Mapping[str, Any]) -> Columns:
        generated = network.generate(**inputs, generation_config=self._settings(network))
        texts = self.processor.tokenizer.batch_decode(generated, skip_special_tokens=True)
        return {"prediction": [text.strip() for text in texts]}

    def metrics(self) -> Mapping[str, Metric]:
        return transcript_metrics()

    def baseline(self, records: Columns) -> Columns:
        return records | {"prediction": [""] * len(records["text"])}

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": record["prediction"]}

    def question(self) -> dict[str, Any]:
        return {"audio": "sound.wav"}

    def example(self, place: str) -> str:
        return sound_pipeline_snippet(self.pipeline, place, self.question()["audio"])

    @classmethod
    def sample(cls) -> Columns:
        return touch_tone_examples()

    def _labels(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the target tokens: without the one that the decoder starts with, and with one that ends the text."""
        tokenizer = self.processor.tokenizer
        start, end = prompt_tokens(tokenizer)[:1], end_token(tokenizer)
        rows = tokenizer(list(texts), verbose=False)["input_ids"]
        spelt = [row[1:] if row[:1] == start else row for row in rows]
        return [row if end is None or row[-1:] == [end] else [*row, end] for row in spelt]

    def _settings(self, network: Any) -> GenerationConfig:
        tokenizer = self.processor.tokenizer
        options = {"max_new_tokens": self.max_new_tokens, "num_beams": self.num_beams}
        room = tokenizer.model_max_length - max(len(prompt_tokens(tokenizer)), 1)
        settings = generation_settings(network, tokenizer, self._labels(["a"])[0], options, room)
        settings.num_beams = settings.num_beams or 1  # a pipeline takes five where a model names no number
        return with_prompt(settings, tokenizer)

    @property
    def _prompt(self) -> DecoderPrompt:
        return DecoderPrompt(self.language, self.task)

    @property
    def _augmentation(self) -> SoundAugmentation:
        return SoundAugmentation(self.noise, self.gain, 0.0, self.time_mask, self.frequency_mask)
