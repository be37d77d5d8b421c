"""The bound on the gradient's norm; where the optimiser can apply it while it steps, it costs no pass of its own."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim import AdamW, Optimizer

from hone.trainee import Trainee

_TINY = 1e-6  # as torch.nn.utils.clip_grad_norm_ has it
_NOT_IN_FP32 = ("16-mixed", "64-true")
"""The factor is a number in fp32, and under fp16 the scaler's."""


def clip(fabric: Fabric, trainee: Trainee, largest: float | None) -> Tensor:
    """Bounds the gradient and returns its norm before."""
    bound = math.inf if largest is None else largest
    bare = cast(Any, trainee.optimizer).optimizer  # what Fabric wrapped
    if fabric.strategy.precision.precision in _NOT_IN_FP32 or not scales(bare):
        norm = fabric.clip_gradients(trainee.wrapped, trainee.optimizer, max_norm=bound, error_if_nonfinite=False)
        return cast(Tensor, norm)
    weights = [weight for group in bare.param_groups for weight in group["params"]]
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    bare.grad_scale = ((norm.float() + _TINY) / bound).clamp(min=1.0)
    return norm


def scales(optimizer: Optimizer) -> bool:
    """Whether it divides gradients by its `grad_scale` as it reads them, and skips a step that has `found_inf`."""
    return type(optimizer) is AdamW and all(group["fused"] for group in optimizer.param_groups)
