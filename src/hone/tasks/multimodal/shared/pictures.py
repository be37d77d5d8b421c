"""The pictures beside a text: decoded, changed at random for training, and as a network reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from hone.core.draws import Draws
from hone.data.media.file import MediaFile
from hone.data.media.images import decode
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.pixels import PixelRecipe, to_pixels
from hone.tasks.vision.shared.samples import Sample

Generators = Sequence[np.random.Generator]


def row_generators(draws: Draws, rows: int) -> Generators:
    """Return the generator of each row of a batch that is trained on; none for any other batch."""
    return [draws.row(place) for place in range(rows)] if draws.training else []


def read_pictures(files: Sequence[MediaFile], options: AugmentOptions, generators: Generators) -> list[Image.Image]:
    """Return the pictures of a batch, changed where there are generators and the options say so."""
    pictures = [decode(file) for file in files]
    if not (generators and options.is_augmenting):
        return pictures
    pairs = zip(pictures, generators, strict=True)
    return [options.augment(Sample(picture), generator).picture for picture, generator in pairs]


def to_inputs(processor: Any, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
    """Return what an image processor makes of RGB pictures: their pixels, and a mask where it pads them."""
    if PixelRecipe.of(processor) is not None:
        return {"pixel_values": to_pixels(processor, pictures)}
    return dict(processor(images=[*pictures], return_tensors="pt"))
