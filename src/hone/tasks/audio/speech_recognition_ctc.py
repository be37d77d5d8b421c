"""Speech recognition by CTC: the network spells what is said, one character or nothing for each frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn

from hone.core.draws import Draws
from hone.core.errors import RowError, UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind
from hone.core.value_types import Index, NotNegative, PartialShare, Switch
from hone.data.media.sounds import require_audio_extra, sound_faults
from hone.data.tiny.touch_tones import touch_tone_examples
from hone.tasks.audio.shared.augmentation import SoundAugmentation
from hone.tasks.audio.shared.characters import Case, Spelling, ctc_losses, frames_needed, join_characters, spell
from hone.tasks.audio.shared.features import FeatureReader
from hone.tasks.audio.shared.frames import CountsFrames
from hone.tasks.audio.shared.sounds import SoundEncoder
from hone.tasks.metrics.transcripts import require_jiwer, transcript_metrics
from hone.tasks.text.shared.texts import text_faults
from hone.tasks.usage_snippets import sound_pipeline_snippet

_DELIMITER = "|"
"""The token that stands for a space in vocabularies of CTC."""


@final
@dataclass(eq=False)
class SpeechRecognitionCTC(CountsFrames):
    """The task of spelling speech. Its fields are the options in `conf/task/speech_recognition_ctc.yaml`."""

    case: Case = "keep"
    drop: str = ""
    noise: NotNegative = 0.0
    gain: NotNegative = 0.0
    time_mask: PartialShare = 0.0
    frequency_mask: Index = 0
    store_features: Switch = "auto"

    roles: ClassVar[tuple[str, ...]] = ("audio", "text")
    targets: ClassVar[tuple[str, ...]] = ("text",)
    media: ClassVar[Mapping[str, MediaKind]] = {"audio": "audio"}
    auto_model: ClassVar[str] = "AutoModelForCTC"
    auto_processor: ClassVar[str] = "AutoProcessor"
    pipeline: ClassVar[str] = "automatic-speech-recognition"
    monitor: ClassVar[str] = "wer"

    @cached_property
    def sounds(self) -> SoundEncoder:
        """How sounds are read."""
        return SoundEncoder(self.processor, self._augmentation, None, self.store_features)

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return self._spelling.find_characters(rows)

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return join_characters(facts, self._spelling.find_characters(rows))

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from sound_faults(rows, "audio")
        if "text" in rows.column_names:
            yield from text_faults(rows, "text")
            yield from self._spelling.faults(rows, facts, _DELIMITER)

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

    def model_config(self) -> dict[str, Any]:
        tokenizer = self.processor.tokenizer
        return {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}

    def encode(self, rows: Columns) -> Columns:
        encoded = {"id": rows["id"], **self.sounds.encode(rows["audio"], self.frames)}
        if "text" not in rows:
            return encoded
        texts = [self._spelling.apply(text) for text in rows["text"]]
        labels = [spell(self.processor.tokenizer, text) for text in texts]
        for row, tokens, frames in zip(rows["id"], labels, encoded["length"], strict=True):
            if frames_needed(tokens) > frames:
                raise RowError(
                    row, "text", f"{frames_needed(tokens)} frames are needed to spell it, and its sound has {frames}"
                )
        return encoded | {"text": texts, "labels": labels}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        inputs = self.sounds.inputs(rows, draws)
        batch: Batch = {"id": rows["id"], "inputs": inputs, "frames": torch.as_tensor(np.array(rows["length"]))}
        return batch | {name: list(rows[name]) for name in ("text", "labels") if name in rows}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return self._losses(network(**batch["inputs"]).logits, batch).sum() / self.count_targets(batch)

    def count_targets(self, batch: Batch) -> float:
        return float(sum(len(tokens) for tokens in batch["labels"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = network(**batch["inputs"]).logits
        tokens = logits.argmax(dim=-1).cpu().numpy()
        frames = [int(count) for count in batch["frames"]]
        texts = [self.processor.tokenizer.decode(row[:count]) for row, count in zip(tokens, frames, strict=True)]
        predictions = {"id": batch["id"], "prediction": texts}
        if "labels" not in batch:
            return predictions
        return predictions | {
            "text": batch["text"],
            "loss": self._losses(logits, batch).double().cpu().numpy(),
            "targets": np.array([len(row) for row in batch["labels"]], dtype=np.float64),
        }

    def metrics(self) -> Mapping[str, Metric]:
        return transcript_metrics()

    def baseline(self, records: Columns) -> Columns:
        return records | {"prediction": [""] * len(records["text"])}

    def describe(self, record: Mapping[str, Any]) -> str:
        return str(record["prediction"])

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": record["prediction"]}

    def question(self) -> dict[str, Any]:
        return {"audio": "sound.wav"}

    def example(self, place: str) -> str:
        return sound_pipeline_snippet(self.pipeline, place, self.question()["audio"])

    @classmethod
    def sample(cls) -> Columns:
        return touch_tone_examples()

    def _losses(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each row, which counts as many times as it has characters."""
        frames = batch["frames"].clamp(max=logits.shape[1])
        return ctc_losses(logits, frames, batch["labels"], self.processor.tokenizer.pad_token_id)

    @property
    def _spelling(self) -> Spelling:
        return Spelling(self.case, self.drop)

    @property
    def _augmentation(self) -> SoundAugmentation:
        return SoundAugmentation(self.noise, self.gain, 0.0, self.time_mask, self.frequency_mask)
