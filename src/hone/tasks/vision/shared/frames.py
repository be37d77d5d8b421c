"""Which frames of a video a network reads, and how they become numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from PIL import Image
from torch import Tensor
from transformers import PretrainedConfig

from hone.core.errors import UserError
from hone.core.task import Task
from hone.data.media.videos import Places, Times, frames_at
from hone.tasks.vision.shared.pixels import to_pixels


class ReadsFrames(Task):
    """A task whose network reads the same number of frames of every video."""

    frame_count: int = 16

    @final
    def read_config(self, config: PretrainedConfig) -> None:
        """Take the number of frames from the network. Raise UserError for a network that reads pictures."""
        count = getattr(config, "num_frames", None) or getattr(config, "frames_per_clip", None)
        if count is None:
            raise UserError(
                f"checkpoint: {config.model_type} does not say how many frames it reads (num_frames). Choose another "
                f"checkpoint, such as checkpoint=videomae."
            )
        self.frame_count = int(count)


def choose_frames(count: int, stride: int | None, rng: np.random.Generator | None) -> Callable[[Times], Places]:
    """Return what chooses frames given their times; `rng` draws them for training.

    Without a stride they are spread over the whole video: each of `count` equal parts gives the frame in its middle, or
    a random one. With a stride they are every so many frames of a stretch in the middle, or at a random place. A video
    that is too short for that gives its last frame again and again."""

    def spread(times: Times) -> Places:
        within = np.full(count, 0.5) if rng is None else rng.random(count)
        return frames_at(times, (np.arange(count) + within) / count)

    def stretch(times: Times) -> Places:
        room = max(0, len(times) - 1 - (count - 1) * (stride or 1))
        start = room // 2 if rng is None else int(rng.integers(room + 1))
        return (start + np.arange(count) * (stride or 1)).clip(0, len(times) - 1)

    return spread if stride is None else stretch


def to_clip(processor: Any, frames: Sequence[Image.Image]) -> Tensor:
    """Return the frames of one video as the network reads them: frames, channels, height, width."""
    pixels = to_pixels(processor, frames)
    return pixels.reshape(-1, *pixels.shape[-3:])  # a processor for videos takes them for one, and numbers it
