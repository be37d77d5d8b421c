"""Bytes of what lives as long as a training: weights, gradients, and what an optimiser remembers of each weight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from hone.core.value_types import ExactPrecision
from hone.optim import Optimizer

_SIDES = (2, 3, 5, 7, 11, 13)
"""Of the small weights that stand in for large ones: by these it shows which side of a state is which side of them."""


def of_tensors(tensors: Iterable[Tensor], kept_as: torch.dtype | None = None) -> int:
    """Bytes; numbers that are no integers may be kept in another type."""
    return sum(tensor.numel() * _type(tensor, kept_as).itemsize for tensor in tensors)


def learning(network: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in network.parameters() if weight.requires_grad]


def kept_as(precision: ExactPrecision) -> torch.dtype | None:
    """The type that a precision brings all weights to, if it does."""
    return {"bf16-true": torch.bfloat16, "64-true": torch.float64}.get(precision)


def of_state(optimizer: Optimizer, weights: Iterable[Tensor], kept_as: torch.dtype | None = None) -> int:
    """What the optimiser keeps beside the weights from its first step on: tried with weights of a few numbers."""
    kinds = [(weight.shape, _type(weight, kept_as)) for weight in weights]
    kept = {(len(shape), dtype): _remembered(optimizer, len(shape), dtype) for shape, dtype in kinds}
    return sum(
        size * math.prod(_side(side, shape) for side in sides)
        for shape, dtype in kinds
        for sides, size in kept[len(shape), dtype]
    )


def _type(tensor: Tensor, kept_as: torch.dtype | None) -> torch.dtype:
    return kept_as if kept_as is not None and tensor.is_floating_point() else tensor.dtype


def _remembered(optimizer: Optimizer, dims: int, dtype: torch.dtype) -> list[tuple[Sequence[int], int]]:
    """The sides, and the bytes of a number, of each tensor that is kept of a stand-in."""
    made = optimizer.over(torch.zeros(_SIDES[:dims], dtype=dtype))
    weight = made.param_groups[0]["params"][0]
    weight.grad = torch.ones_like(weight)
    made.step()
    state = made.state[weight]
    return [(tensor.shape, tensor.element_size()) for tensor in state.values() if isinstance(tensor, Tensor)]


def _side(side: int, shape: Sequence[int]) -> int:
    return shape[_SIDES.index(side)] if side in _SIDES[: len(shape)] else side
