"""Squares of a picture that a network does not see: where its patches are, and which of them are hidden."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import PretrainedConfig

from hone.core.errors import UserError
from hone.core.task import Task
from hone.tasks.vision.shared.pixels import require_one_size, to_pixels

Hidden = np.ndarray[Any, np.dtype[np.bool_]]

_USUAL_BLOCKS = 7
"""About how many blocks fit beside each other: of 224 pixels, blocks of 32."""
_GREY = 127


@final
@dataclass(frozen=True)
class PatchGrid:
    """The patches of a square picture, and the larger squares that are hidden or visible as a whole."""

    patches: int
    """How many patches are beside each other."""
    size: int
    """Height and width of a patch in pixels."""
    block: int
    """How many patches of a block are beside each other."""

    @classmethod
    def of(cls, config: PretrainedConfig, block_size: int | None) -> Self:
        """Return the grid of a network. Raise UserError where blocks of `block_size` pixels do not fit into it."""
        side, size = getattr(config, "image_size", None), getattr(config, "patch_size", None)
        if not isinstance(side, int) or not isinstance(size, int) or side % size or side == size:
            raise UserError(
                f"checkpoint: this {config.model_type} network does not read square pictures in several square patches."
            )
        patches = side // size
        fitting = [count for count in range(1, patches) if patches % count == 0]
        usual = min(fitting, key=lambda count: (abs(patches // count - _USUAL_BLOCKS), -count))
        block = usual * size if block_size is None else block_size
        if block not in [count * size for count in fitting]:
            raise UserError(
                f"task.block_size={block}: this network reads {side} × {side} pixels in patches of {size}. Hidden "
                f"blocks must be multiples of patches that fill the picture, such as {usual * size}."
            )
        return cls(patches, size, block // size)

    @property
    def side(self) -> int:
        """Height and width of the picture in pixels."""
        return self.patches * self.size

    def draw(self, share: float, rng: np.random.Generator) -> Hidden:
        """Return which patches are hidden, row by row: a share of the blocks, but never none or all of them."""
        blocks = self.patches // self.block
        count = min(max(math.ceil(share * blocks**2), 1), blocks**2 - 1)
        hidden = np.zeros(blocks**2, dtype=np.bool_)
        hidden[rng.permutation(blocks**2)[:count]] = True
        square = hidden.reshape(blocks, blocks)
        return square.repeat(self.block, axis=0).repeat(self.block, axis=1).reshape(-1)

    def to_pixels(self, hidden: Tensor) -> Tensor:
        """Return which pixels are hidden, given the hidden patches of each picture."""
        square = hidden.view(-1, 1, self.patches, self.patches)
        return square.repeat_interleave(self.size, dim=2).repeat_interleave(self.size, dim=3)


class HidesPatches(Task):
    """A task that hides blocks of a picture. The network's config says where its patches are."""

    block_size: int | None
    grid: PatchGrid

    @final
    def read_config(self, config: PretrainedConfig) -> None:
        self.grid = PatchGrid.of(config, self.block_size)
        side = self.grid.side
        height, width = require_one_size(self.processor)
        if (height, width) != (side, side):
            raise UserError(
                f"checkpoint.processor: it makes pictures of {height} × {width} pixels, and the network reads "
                f"{side} × {side}. Set its size to {{height: {side}, width: {side}}}."
            )
        enlarged = self.grid.size * 2 ** (len(getattr(config, "depths", None) or [1]) - 1)
        if config.encoder_stride != enlarged:
            raise UserError(
                f"checkpoint: its decoder would make pictures of another size than it gets. Set "
                f"checkpoint.hyperparameters={{encoder_stride: {enlarged}}}."
            )


def to_pictures(processor: Any, pixels: Tensor, hidden: Tensor | None = None) -> list[Any]:
    """Return what a network reads or writes as pictures of 8 bits per channel, with grey in place of hidden pixels."""
    ends = [Image.new("RGB", (8, 8), colour) for colour in ("black", "white")]
    black, white = to_pixels(processor, ends).mean(dim=(2, 3), keepdim=True).to(pixels.device)
    values = ((pixels - black) / (white - black) * 255).round().clamp(0, 255)
    shown = values if hidden is None else torch.where(hidden, _GREY, values)
    return [*shown.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()]
