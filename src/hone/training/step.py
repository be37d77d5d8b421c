"""An optimiser step: forward and backward passes, the bound on the gradient's norm, and the update of the weights.

Where the optimiser can scale gradients while it steps, clipping needs no pass of its own.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hone.data.module import Step
from hone.training.nonfinite import FiniteCheck, scales
from hone.training.state import TrainState

_TINY = 1e-6  # as torch.nn.utils.clip_grad_norm_ has it
_FP64 = "64-true"
"""The precision in which the optimiser's factor, a number in fp32, cannot be used."""
_FP16 = "16-mixed"


def train_step(
    fabric: Fabric, state: TrainState, check: FiniteCheck, step: Step, targets: float, clip_norm: float | None
) -> tuple[Tensor, Tensor]:
    """Take one optimiser step; return the summed loss and the norm of the gradient before clipping."""
    return update(fabric, state, check, step, run_passes(fabric, state, step, targets), clip_norm)


def run_passes(fabric: Fabric, state: TrainState, step: Step, targets: float) -> Tensor:
    """Add up the gradients of a step's batches; return the summed loss.

    The gradient is that of the mean over all targets of the step, however the step is cut into batches.
    """
    summed, last = torch.zeros((), device=fabric.device), len(step.batches) - 1
    with torch.autocast(
        fabric.device.type, enabled=False
    ):  # the passes inside have their own; each casts a weight once
        for place, (batch, weight) in enumerate(zip(step.batches, step.targets, strict=True)):
            with fabric.no_backward_sync(state.wrapped, enabled=place != last):
                loss = state.wrapped("training_step", fabric.to_device(batch), place)
                fabric.backward(loss * (weight * fabric.world_size / targets))  # DDP averages over the processes
            summed += loss.detach() * weight
    return summed


def update(
    fabric: Fabric, state: TrainState, check: FiniteCheck, step: Step, loss: Tensor, clip_norm: float | None
) -> tuple[Tensor, Tensor]:
    """Let the optimiser use the gradients, if they are finite; return the loss and the norm before clipping.

    The schedule goes on even if the step is left out, so that it stays a function of the step's number.
    """
    norm = clip(fabric, state, clip_norm)
    if check.permits(step, loss, norm):
        state.optimizer.step()
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # torch expects a step of the optimiser first
        state.scheduler.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.average.update(step.number)
    return loss, norm


def clip(fabric: Fabric, state: TrainState, largest: float | None) -> Tensor:
    """Bound the gradient's norm and return the norm before."""
    bound = math.inf if largest is None else largest
    bare = cast(Any, state.optimizer).optimizer  # what Fabric wrapped
    weights = [weight for group in bare.param_groups for weight in group["params"]]
    if fabric.strategy.precision.precision == _FP16:
        # Fabric does not clip for an optimiser that could unscale the gradients itself.
        cast(Any, fabric.strategy.precision).scaler.unscale_(bare)
        return torch.nn.utils.clip_grad_norm_(weights, bound)
    if fabric.strategy.precision.precision == _FP64 or not scales(bare):
        norm = fabric.clip_gradients(state.wrapped, state.optimizer, max_norm=bound, error_if_nonfinite=False)
        return cast(Tensor, norm)
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    bare.grad_scale = ((norm.float() + _TINY) / bound).clamp(min=1.0)
    return norm
