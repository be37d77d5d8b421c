"""Turns pictures into the numbers that a network reads, exactly as the checkpoint's processor does.

The usual processors resize to a fixed size and normalise. That is done here for a whole batch at once, in a fifth of
the processor's time. Every other processor is called itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    DetrImageProcessorPil,
    DPTImageProcessorPil,
    LayoutLMv3ImageProcessorPil,
    Mask2FormerImageProcessorPil,
    MaskFormerImageProcessorPil,
    RTDetrImageProcessorPil,
    SegformerImageProcessorPil,
    VideoMAEImageProcessorPil,
    YolosImageProcessorPil,
)
from transformers.image_processing_backends import PilBackend

from hone.core.errors import UserError
from hone.data.media.file import MediaFile
from hone.data.media.images import Header, read_header
from hone.data.media.videos import VideoHeader
from hone.models.processors import is_grey

_PLAIN = tuple(
    cls._preprocess
    for cls in (
        PilBackend, SegformerImageProcessorPil, DPTImageProcessorPil,
        YolosImageProcessorPil, DetrImageProcessorPil, RTDetrImageProcessorPil, VideoMAEImageProcessorPil,
        LayoutLMv3ImageProcessorPil,
        Mask2FormerImageProcessorPil, MaskFormerImageProcessorPil,
    )
)  # fmt: skip
"""The code of processors that only resize, cut out the centre, rescale, normalise and pad."""

_NARROWEST = 100
"""The longest side of a picture, in widths of its shortest side, where proportions are kept."""


@final
@dataclass(frozen=True)
class PixelRecipe:
    """What a plain processor does to a picture: resize it, then scale and shift its channels."""

    size: tuple[int, int] | None
    """Width and height; None where pictures keep their size."""
    resampling: Image.Resampling
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    @classmethod
    def of(cls, processor: Any) -> Self | None:
        """Return the recipe of a processor, or None if it does something else as well."""
        if getattr(type(processor), "_preprocess", None) not in _PLAIN:
            return None
        size = processor.size if processor.do_resize else None
        fixed = size is None or (size.height and size.width)
        others = ("do_center_crop", "do_pad", "keep_aspect_ratio", "apply_ocr")
        if not fixed or any(getattr(processor, name, False) for name in others):
            return None
        divisors = (getattr(processor, name, None) or 1 for name in ("ensure_multiple_of", "size_divisor"))
        multiple = math.lcm(*divisors)
        if size is not None and (size.height % multiple or size.width % multiple):
            return None
        factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
        mean, std = (0.0, 1.0)
        if processor.do_normalize:
            mean, std = processor.image_mean, processor.image_std
        channels = 1 if is_grey(processor) else 3
        means, stds = (np.broadcast_to(np.asarray(values, dtype=np.float64), channels) for values in (mean, std))
        return cls(
            None if size is None else (size.width, size.height),
            Image.Resampling(processor.resample if processor.resample is not None else Image.Resampling.BILINEAR),
            tuple(factor / stds),
            tuple(means / stds),
        )

    def resize(self, picture: Image.Image, resampling: Image.Resampling | None = None) -> Image.Image:
        """Return a picture in the network's size and channels, or with another resampling a mask in that size."""
        if resampling is None and len(self.scale) == 1:
            picture = picture.convert("L")
        if self.size is None or self.size == picture.size:
            return picture
        return picture.resize(self.size, self.resampling if resampling is None else resampling)

    def normalise(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Return resized pictures as a tensor of channels first."""
        stacked = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
        stacked = stacked.view(*stacked.shape[:3], -1)
        channels = torch.tensor(self.scale), torch.tensor(self.shift)
        scale, shift = (values.view(1, -1, 1, 1) for values in channels)
        return stacked.permute(0, 3, 1, 2).float().mul_(scale).sub_(shift).contiguous()


def to_pixels(processor: Any, pictures: Sequence[Image.Image]) -> Tensor:
    """Return RGB pictures as the network reads them."""
    recipe = PixelRecipe.of(processor)
    if recipe is not None:
        return recipe.normalise([recipe.resize(picture) for picture in pictures])
    mode = "L" if is_grey(processor) else "RGB"
    pixels: Tensor = processor(images=[picture.convert(mode) for picture in pictures], return_tensors="pt")[
        "pixel_values"
    ]
    return pixels


def require_shapes(
    processor: Any, files: Iterable[MediaFile], read_header: Callable[[MediaFile], Header | VideoHeader] = read_header
) -> None:
    """Raise RowError for a picture or a video so narrow that a processor which keeps proportions would enlarge it
    beyond measure: one of 1 by 1,000 pixels becomes one of 224 by 224,000 before its centre is cut out."""
    if PixelRecipe.of(processor) is not None:
        return
    for file in files:
        header = read_header(file)
        if max(header.width, header.height) > _NARROWEST * min(header.width, header.height):
            raise file.error(
                f"{header.width} × {header.height} pixels are too narrow for {type(processor).__name__}, which keeps "
                f"proportions"
            )


def require_recipe(processor: Any, example: str) -> PixelRecipe:
    """Return the recipe of a plain processor. Raise UserError for another one, which would not treat masks alike."""
    recipe = PixelRecipe.of(processor)
    if recipe is None or recipe.size is None:
        raise UserError(
            f"checkpoint.processor: {type(processor).__name__} does more than to resize pictures to one size, and "
            f"masks must fit the pictures. Set it to "
            f"{{class: {example}, size: {{height: 512, width: 512}}}}."
        )
    return recipe


def require_one_size(processor: Any) -> tuple[int, int]:
    """Return the height and width that a processor gives every picture. Raise UserError if it gives different ones."""
    shapes = {to_pixels(processor, [Image.new("RGB", size)]).shape[-2:] for size in ((40, 60), (60, 40))}
    if len(shapes) > 1:
        raise UserError(
            f"checkpoint.processor: {type(processor).__name__} gives pictures different sizes, which make no batch. "
            f"Set its size to a height and a width, such as {{height: 224, width: 224}}."
        )
    height, width = shapes.pop()
    return int(height), int(width)
