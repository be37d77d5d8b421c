"""Audio classification: predict one label, any number of labels, or a number for a sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

from datasets import Dataset

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault, MediaKind
from hone.core.value_types import Index, NotNegative, PartialShare, Positive, Switch
from hone.data.media.sounds import require_audio_extra, sound_faults
from hone.data.tiny.tones import tone_examples
from hone.tasks.audio.shared.augmentation import SoundAugmentation
from hone.tasks.audio.shared.features import FeatureReader
from hone.tasks.audio.shared.frames import CountsFrames
from hone.tasks.audio.shared.sounds import SoundEncoder
from hone.tasks.padding import stack_features
from hone.tasks.targets.classification import Classification
from hone.tasks.usage_snippets import sound_pipeline_snippet


@final
@dataclass(eq=False)
class AudioClassification(Classification, CountsFrames):
    """The audio classification task. Its fields are the options in `conf/task/audio_classification.yaml`."""

    max_seconds: Positive | None = None
    noise: NotNegative = 0.0
    gain: NotNegative = 0.0
    shift: NotNegative = 0.0
    time_mask: PartialShare = 0.0
    frequency_mask: Index = 0
    store_features: Switch = "auto"

    roles: ClassVar[tuple[str, ...]] = ("audio", "label")
    media: ClassVar[Mapping[str, MediaKind]] = {"audio": "audio"}
    auto_model: ClassVar[str] = "AutoModelForAudioClassification"
    auto_processor: ClassVar[str] = "AutoFeatureExtractor"
    pipeline: ClassVar[str] = "audio-classification"

    @cached_property
    def sounds(self) -> SoundEncoder:
        """How sounds are read."""
        return SoundEncoder(self.processor, self._augmentation, self.max_seconds, self.store_features)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from sound_faults(rows, "audio")
        yield from self.label_faults(rows, facts)

    def check(self, facts: Facts) -> None:
        super().check(facts)
        require_audio_extra()
        if self.store_features is True and (self._augmentation.changes_waves or self.max_seconds):
            raise UserError(
                "task.store_features=true: max_seconds, noise, gain and shift change the samples in every epoch, so "
                "that there is nothing to store. Set task.store_features=auto."
            )

    def configure_processor(self, processor: Any) -> None:
        self._augmentation.require_bands(FeatureReader(processor).is_spectrogram)

    def encode(self, rows: Columns) -> Columns:
        return {"id": rows["id"], **self.sounds.encode(rows["audio"], self.frames), **self.encode_labels(rows)}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        inputs = stack_features(rows["features"]) if "features" in rows else self.sounds.inputs(rows, draws)
        return {"id": rows["id"], "inputs": inputs, **self.label_tensor(rows)}

    def question(self) -> dict[str, Any]:
        return {"audio": "sound.wav"}

    def example(self, place: str) -> str:
        return sound_pipeline_snippet(self.pipeline, place, self.question()["audio"])

    @classmethod
    def sample(cls) -> Columns:
        return tone_examples()

    @property
    def _augmentation(self) -> SoundAugmentation:
        return SoundAugmentation(self.noise, self.gain, self.shift, self.time_mask, self.frequency_mask)
