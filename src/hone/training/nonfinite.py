"""What happens to a step whose loss or gradient is NaN or infinite: the run ends, leaves the step out, or goes back.

In each case the weights stay finite. A GPU skips such a step by itself, so that the loop need not wait for it, and the
check comes later.

Private protocol of torch's fused AdamW, as of torch 2.13: `grad_scale` and `found_inf`, which GradScaler sets too.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim import AdamW, Optimizer

from hone.core.errors import RunError
from hone.core.value_types import OnNonfinite
from hone.data.module import Step
from hone.training.state import TrainState

log = logging.getLogger(__name__)

_SCALED = "16-mixed"
"""Under fp16 the scaler handles gradients that are not finite, with a smaller scale; only the loss must be finite."""
_UNCHECKED = 256
"""The largest number of steps between two checks."""
_IN_A_ROW = 10
"""The number of skipped steps in a row that ends a run: its weights lead nowhere."""


@final
class NotFinite(Exception):
    """A loss, a gradient or a score that is NaN or infinite, in a run that goes back and tries again."""


def scales(optimizer: Optimizer) -> bool:
    """Return whether the optimiser divides gradients by its `grad_scale` and skips a step with `found_inf`."""
    return type(optimizer) is AdamW and all(group["fused"] for group in optimizer.param_groups)


@final
@dataclass(frozen=True)
class CheckedStep:
    """A step and the numbers that must be finite."""

    what: str
    number: Tensor
    watched: Tensor
    """A number that is finite if the loss and the gradient are."""
    loss: Tensor
    step: Step
    lr: float

    def describe(self) -> str:
        loss, number = self.loss.item(), self.number.item()
        what, number = ("loss", loss) if math.isfinite(number) else (self.what, number)
        ids = [str(identity) for batch in self.step.batches for identity in batch["id"]]
        return (
            f"The {what} of step {self.step.number} is {number} (summed loss {loss:.4g}, "
            f"learning rate {self.lr:.3g}, training rows {', '.join(ids[:8])} …)."
        )


class FiniteCheck(ABC):
    """Checks that loss and gradient stay finite during training."""

    def __init__(self, fabric: Fabric, state: TrainState, policy: OnNonfinite = "stop") -> None:
        self.fabric, self.state, self.policy = fabric, state, policy
        self.scaled = fabric.strategy.precision.precision == _SCALED

    def permits(self, step: Step, loss: Tensor, norm: Tensor) -> bool:
        """Return whether the optimiser may take the step. If not, it would ruin the weights."""
        what, number = ("loss", loss) if self.scaled else ("gradient", norm.detach())
        watched = number + 0.0 * loss
        if self.policy != "stop" and self.fabric.world_size > 1:
            watched = cast(Tensor, self.fabric.all_reduce(watched, reduce_op="sum"))  # all processes do it, or none
        checked = CheckedStep(what, number, watched, loss, step, float(max(self.state.scheduler.get_last_lr())))
        return self.take(checked) or self.scaled  # the scaler skips the step itself

    @abstractmethod
    def take(self, checked: CheckedStep) -> bool:
        """Check this step, or keep it for the next check; return whether the optimiser may take it."""

    @abstractmethod
    def require(self) -> None:
        """Judge all steps so far. Called before anything is logged, scored or saved."""

    @final
    def judge(self, checked: CheckedStep, value: float) -> bool:
        """Return whether a step is finite. If it is not, raise RunError or NotFinite, or count it as skipped."""
        skipped = self.state.skipped
        if math.isfinite(value):
            skipped.in_a_row = 0
            return True
        if self.policy == "stop":
            raise RunError(
                f"{checked.describe()} No checkpoint has weights of this step or a later one. Try a smaller "
                f"optimizer.lr, more scheduler.warmup, or clip_norm. on_nonfinite=skip leaves such steps out, "
                f"on_nonfinite=retry goes back."
            )
        if self.policy == "retry":
            raise NotFinite(checked.describe())
        skipped.add()
        log.warning("%s The step is left out; %d so far.", checked.describe(), skipped.total)
        if skipped.in_a_row >= _IN_A_ROW:
            raise RunError(
                f"{checked.describe()} It is the last of {_IN_A_ROW} steps in a row that were left out "
                f"(on_nonfinite=skip). Try a smaller optimizer.lr."
            )
        return False

    @final
    def judge_score(self, scores: Mapping[str, float], monitor: str, step: int) -> None:
        """Raise NotFinite if the score that chooses the best weights is not finite, and the run can go back."""
        score = scores.get(monitor, 0.0)
        if self.policy == "retry" and not math.isfinite(score):
            raise NotFinite(f"The score {monitor} of the evaluation after step {step} is {score}.")


@final
class EagerFiniteCheck(FiniteCheck):
    """Checks each step at once, before the weights change."""

    def take(self, checked: CheckedStep) -> bool:
        return self.judge(checked, checked.watched.item())

    def require(self) -> None: ...


@final
class DeferredFiniteCheck(FiniteCheck):
    """Lets the device skip a bad step, and checks when the loop waits for the device anyway."""

    def __init__(self, fabric: Fabric, state: TrainState, policy: OnNonfinite = "stop") -> None:
        super().__init__(fabric, state, policy)
        self.optimizer = cast(Any, state.optimizer).optimizer
        self.waiting: list[CheckedStep] = []

    def take(self, checked: CheckedStep) -> bool:
        if not self.scaled:
            self.optimizer.found_inf = (~checked.watched.isfinite()).float()  # AdamW skips the step where it is 1
        self.waiting.append(checked)
        if len(self.waiting) >= _UNCHECKED:
            self.require()
        return True

    def require(self) -> None:
        steps, self.waiting = self.waiting, []
        values = torch.stack([checked.watched for checked in steps]).tolist() if steps else []
        for checked, value in zip(steps, values, strict=True):
            self.judge(checked, value)


def make_finite_check(fabric: Fabric, state: TrainState, policy: OnNonfinite = "stop") -> FiniteCheck:
    """Defer checks on a GPU, where the optimiser (or fp16's scaler) skips a bad step by itself."""
    skips = fabric.strategy.precision.precision == _SCALED or scales(cast(Any, state.optimizer).optimizer)
    deferred = fabric.device.type == "cuda" and skips
    return (DeferredFiniteCheck if deferred else EagerFiniteCheck)(fabric, state, policy)
