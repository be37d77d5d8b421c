"""Video classification: predict one label, any number of labels, or a number for a video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from hone.core.draws import Draws
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault, MediaKind
from hone.core.value_types import Count
from hone.data.media.file import MediaFile
from hone.data.media.videos import decode, read_header, require_video_extra, video_faults
from hone.data.tiny.motions import motion_examples
from hone.tasks.padding import stack_features
from hone.tasks.usage_snippets import video_snippet
from hone.tasks.vision.shared.frames import ReadsFrames, choose_frames, to_clip
from hone.tasks.vision.shared.mixed_classes import MixedClassification
from hone.tasks.vision.shared.pixels import require_one_size, require_shapes
from hone.tasks.vision.shared.samples import Sample

_SCALES = {"single_label": ".softmax(dim=-1)", "multi_label": ".sigmoid()", "regression": ""}
"""What makes scores of logits, by kind of label."""


@final
@dataclass(eq=False)
class VideoClassification(MixedClassification, ReadsFrames):
    """The video classification task. Its fields are the options in `conf/task/video_classification.yaml`."""

    stride: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("video", "label")
    media: ClassVar[Mapping[str, MediaKind]] = {"video": "video"}
    unit: ClassVar[str] = "videos"
    auto_model: ClassVar[str] = "AutoModelForVideoClassification"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    pipeline: ClassVar[str] = "video-classification"

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from video_faults(rows, "video")
        yield from self.label_faults(rows, facts)

    def check(self, facts: Facts) -> None:
        super().check(facts)
        require_video_extra()

    def configure_processor(self, processor: Any) -> None:
        require_one_size(processor)

    def encode(self, rows: Columns) -> Columns:
        require_shapes(self.processor, rows["video"], read_header)
        # Of every video the network reads as many frames of the same size, so that all cost the same.
        return {"id": rows["id"], "length": [1] * len(rows["id"]), **self.encode_labels(rows)}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        if "features" in rows:
            return {"id": rows["id"], "inputs": stack_features(rows["features"]), **self.label_tensor(rows)}
        draw = draws.row if draws.training else lambda place: None
        # One video after the other: the frames of a whole batch, as large as they are stored, would fill the memory.
        clips = [self._read_clip(file, draw(place)) for place, file in enumerate(rows["video"])]
        batch = {"id": rows["id"], "inputs": {"pixel_values": torch.stack(clips)}, **self.label_tensor(rows)}
        return self.mix(batch, draws.batch) if draws.training and self.is_mixing else batch

    def question(self) -> dict[str, Any]:
        return {"video": "video.mp4"}

    def example(self, place: str) -> str:
        return video_snippet(place, self.question()["video"], self.frame_count, self.stride, _SCALES[self.facts.kind])

    @classmethod
    def sample(cls) -> Columns:
        return motion_examples(8)

    def _read_clip(self, file: MediaFile, rng: np.random.Generator | None) -> Tensor:
        """Return the frames of a video; with draws they are chosen at random and all changed in the same way."""
        frames = decode(file, choose_frames(self.frame_count, self.stride, rng))
        if rng is not None and self.is_augmenting:
            seed = int(rng.integers(2**63))
            frames = [self.augment(Sample(frame), np.random.default_rng(seed)).picture for frame in frames]
        return to_clip(self.processor, frames)
