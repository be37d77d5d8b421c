"""The frames of a sound: how many steps in time a network computes for the features that it gets."""

from __future__ import annotations

from typing import Any, ClassVar, final

from transformers import PretrainedConfig

from hone.core.task import Task

Frames = dict[str, Any]
"""How a network shortens its input: its `convolutions` in time, as [kernel, stride, padding], and the number of `bands`
for each step in time where it cuts spectrograms into patches. These are plain values, which a cache key can hold."""

UNCHANGED: Frames = {"convolutions": [], "bands": 1}
"""The frames of a network whose first layers keep the length of their input."""


class CountsFrames(Task):
    """A task whose rows are as long as the frames that the network computes for them."""

    unit: ClassVar[str] = "frames"

    frames: Frames = UNCHANGED

    @final
    def read_config(self, config: PretrainedConfig) -> None:
        self.frames = frames_of(config)


def frames_of(config: PretrainedConfig) -> Frames:
    """Return how the network of this config shortens its input."""
    if config.model_type == "audio-spectrogram-transformer":
        size, across, along = config.patch_size, config.frequency_stride, config.time_stride
        return {"convolutions": [[size, along, 0]], "bands": (config.num_mel_bins - size) // across + 1}
    if config.model_type == "whisper":
        return {"convolutions": [[3, 1, 1], [3, 2, 1]], "bands": 1}
    kernels, strides = getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ())
    convolutions = [[int(kernel), int(stride), 0] for kernel, stride in zip(kernels, strides, strict=True)]
    if getattr(config, "add_adapter", False):
        convolutions += [[1, int(config.adapter_stride), 0]] * int(config.num_adapter_layers)
    return {"convolutions": convolutions, "bands": 1}


def count_frames(length: int, frames: Frames) -> int:
    """Return the number of frames for an input of this length; below 1 if it is too short for one."""
    for kernel, stride, padding in frames["convolutions"]:
        length = (length + 2 * padding - kernel) // stride + 1
    return length * int(frames["bands"])
