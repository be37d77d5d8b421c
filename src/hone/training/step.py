"""What guards a step: the bound on the gradient's norm, and the check that loss and gradient are finite.

Where the optimiser can scale gradients while it steps, clipping needs no pass of its own. A GPU skips a bad step by
itself, so that the loop need not wait for it, and the check comes later.

Private protocol of torch's fused AdamW, as of torch 2.13: `grad_scale` and `found_inf`, which GradScaler sets too.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim import AdamW, Optimizer

from hone.core.errors import RunError
from hone.data.module import Step
from hone.training.state import TrainState

_TINY = 1e-6  # as torch.nn.utils.clip_grad_norm_ has it
_NOT_IN_FP32 = ("16-mixed", "64-true")
"""Precisions in which the optimiser's factor, a number in fp32, cannot be used; under fp16 it belongs to the scaler."""
_SCALED = "16-mixed"
"""Under fp16 the scaler handles gradients that are not finite, with a smaller scale; only the loss must be finite."""
_UNCHECKED = 256
"""The largest number of steps between two checks."""


def clip(fabric: Fabric, state: TrainState, largest: float | None) -> Tensor:
    """Bound the gradient's norm and return the norm before."""
    bound = math.inf if largest is None else largest
    bare = cast(Any, state.optimizer).optimizer  # what Fabric wrapped
    if fabric.strategy.precision.precision in _NOT_IN_FP32 or not scales(bare):
        norm = fabric.clip_gradients(state.wrapped, state.optimizer, max_norm=bound, error_if_nonfinite=False)
        return cast(Tensor, norm)
    weights = [weight for group in bare.param_groups for weight in group["params"]]
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    bare.grad_scale = ((norm.float() + _TINY) / bound).clamp(min=1.0)
    return norm


def scales(optimizer: Optimizer) -> bool:
    """Return whether the optimiser divides gradients by its `grad_scale` and skips a step with `found_inf`."""
    return type(optimizer) is AdamW and all(group["fused"] for group in optimizer.param_groups)


@final
@dataclass(frozen=True)
class CheckedStep:
    """A step and the number that must be finite."""

    what: str
    watched: Tensor
    loss: Tensor
    step: Step
    lr: float

    def require_number(self, value: float) -> None:
        if not math.isfinite(value):
            ids = [str(identity) for batch in self.step.batches for identity in batch["id"]]
            raise RunError(
                f"The {self.what} of step {self.step.number} is {value} (summed loss {self.loss.item():.4g}, "
                f"learning rate {self.lr:.3g}, training rows {', '.join(ids[:8])} …). "
                f"No checkpoint has weights of this step or a later one; try a smaller optimizer.lr, more "
                f"scheduler.warmup, or clip_norm."
            )


class FiniteCheck(ABC):
    """Checks that loss and gradient stay finite during training."""

    def __init__(self, fabric: Fabric, state: TrainState) -> None:
        self.scaled = fabric.strategy.precision.precision == _SCALED
        self.state = state

    def watch(self, step: Step, loss: Tensor, norm: Tensor) -> None:
        """Take in a step, before the optimiser could ruin the weights with it."""
        what, watched = ("loss", loss) if self.scaled else ("gradient", norm)
        self.take(CheckedStep(what, watched.detach(), loss, step, float(max(self.state.scheduler.get_last_lr()))))

    @abstractmethod
    def take(self, checked: CheckedStep) -> None:
        """Check this step, or keep it for the next check."""

    @abstractmethod
    def require(self) -> None:
        """Raise RunError if any step so far was bad. Called before anything is logged, scored or saved."""


@final
class EagerFiniteCheck(FiniteCheck):
    """Checks each step at once, before the weights change."""

    def take(self, checked: CheckedStep) -> None:
        checked.require_number(checked.watched.item())

    def require(self) -> None: ...


@final
class DeferredFiniteCheck(FiniteCheck):
    """Lets the device skip a bad step, and checks when the loop waits for the device anyway."""

    def __init__(self, fabric: Fabric, state: TrainState) -> None:
        super().__init__(fabric, state)
        self.optimizer = cast(Any, state.optimizer).optimizer
        self.waiting: list[CheckedStep] = []

    def take(self, checked: CheckedStep) -> None:
        if not self.scaled:
            self.optimizer.found_inf = (~checked.watched.isfinite()).float()  # AdamW skips the step where it is 1
        self.waiting.append(checked)
        if len(self.waiting) >= _UNCHECKED:
            self.require()

    def require(self) -> None:
        steps, self.waiting = self.waiting, []
        values = torch.stack([checked.watched for checked in steps]).tolist() if steps else []
        for checked, value in zip(steps, values, strict=True):
            checked.require_number(value)


def make_finite_check(fabric: Fabric, state: TrainState) -> FiniteCheck:
    """Defer checks on a GPU, where the optimiser (or fp16's scaler) skips a bad step by itself."""
    skips = fabric.strategy.precision.precision == _SCALED or scales(cast(Any, state.optimizer).optimizer)
    deferred = fabric.device.type == "cuda" and skips
    return DeferredFiniteCheck(fabric, state) if deferred else EagerFiniteCheck(fabric, state)
