"""Mixup and CutMix: each training picture is mixed with another one of its batch, and so are their losses.

A loss that is linear in its target, as cross-entropy is, is the same for mixed targets as for mixed losses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hone.core.task import Batch
from hone.core.value_types import NotNegative


@dataclass(eq=False)
class MixOptions:
    """The options of a task that mixes the pictures of a batch. With the defaults it mixes none."""

    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0

    @property
    def is_mixing(self) -> bool:
        return bool(self.mixup or self.cutmix)

    def mix(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return a batch whose pictures are mixed, with the `partner_labels` and the `share` of the partners.

        Where both options are set, one of them is drawn for the batch."""
        pixels = batch["inputs"]["pixel_values"]
        partners = torch.from_numpy(rng.permutation(len(pixels)))
        cuts = bool(self.cutmix) and (not self.mixup or rng.random() < 0.5)
        strength = self.cutmix if cuts else self.mixup
        share = float(rng.beta(strength, strength))
        mixed, share = (_cut if cuts else _blend)(pixels, pixels[partners], share, rng)
        labels = {"partner_labels": batch["labels"][partners], "share": torch.full((len(pixels),), share)}
        return {**batch, "inputs": {**batch["inputs"], "pixel_values": mixed}, **labels}


def _blend(pixels: Tensor, others: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    return torch.lerp(pixels, others, share), share


def _cut(pixels: Tensor, others: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """Put a rectangle of the others, of about this share of the area, into the pictures; return its exact share."""
    height, width = pixels.shape[-2:]
    high, wide = (round(side * share**0.5) for side in (height, width))
    top, left = (int(rng.integers(room + 1)) for room in (height - high, width - wide))
    mixed = pixels.clone()
    mixed[..., top : top + high, left : left + wide] = others[..., top : top + high, left : left + wide]
    return mixed, high * wide / (height * width)
