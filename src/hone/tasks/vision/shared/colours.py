"""Changes of a picture's colours: single ones of a given strength, and a jitter of several at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Operation = Callable[[Image.Image, float], Image.Image]
"""Changes a picture; the strength is from -1 to 1, and 0 leaves the picture as it is."""

_STRONGEST = 0.9
"""How far the strongest change takes the brightness, the contrast, the saturation or the sharpness away from 1."""


def _enhance(picture: Image.Image, strength: float, kind: Callable[[Image.Image], Any]) -> Image.Image:
    enhanced: Image.Image = kind(picture).enhance(1 + _STRONGEST * strength)
    return enhanced


def _posterise(picture: Image.Image, strength: float) -> Image.Image:
    return ImageOps.posterize(picture, 8 - round(4 * abs(strength)))


def _solarise(picture: Image.Image, strength: float) -> Image.Image:
    return ImageOps.solarize(picture, 256 - round(256 * abs(strength)))


def _stretch(picture: Image.Image, strength: float) -> Image.Image:
    return Image.blend(picture, ImageOps.autocontrast(picture), abs(strength))


def _equalise(picture: Image.Image, strength: float) -> Image.Image:
    return Image.blend(picture, ImageOps.equalize(picture), abs(strength))


OPERATIONS: Mapping[str, Operation] = {
    "brightness": partial(_enhance, kind=ImageEnhance.Brightness),
    "contrast": partial(_enhance, kind=ImageEnhance.Contrast),
    "saturation": partial(_enhance, kind=ImageEnhance.Color),
    "sharpness": partial(_enhance, kind=ImageEnhance.Sharpness),
    "posterise": _posterise,
    "solarise": _solarise,
    "autocontrast": _stretch,
    "equalise": _equalise,
}
_JITTERED = ("brightness", "contrast", "saturation")


def jitter(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Change brightness, contrast and saturation, in a random order, each by at most `strength`."""
    for place in rng.permutation(len(_JITTERED)):
        picture = OPERATIONS[_JITTERED[place]](picture, rng.uniform(-strength, strength))
    return picture


def erase(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cover a random rectangle, a fiftieth to a fifth of the picture, with noise."""
    width, height = picture.size
    area, ratio = rng.uniform(0.02, 0.2) * width * height, np.exp(rng.uniform(np.log(0.3), np.log(1 / 0.3)))
    wide, high = (int(np.clip(round(side), 1, most)) for side, most in
                  ((np.sqrt(area * ratio), width), (np.sqrt(area / ratio), height)))  # fmt: skip
    noise = Image.fromarray(rng.integers(0, 256, (high, wide, 3), dtype=np.uint8))
    erased = picture.copy()
    erased.paste(noise, (int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))))
    return erased
