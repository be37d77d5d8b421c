"""The bound on the gradient's norm; where the optimiser can apply it while it steps, it costs no pass of its own."""

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
"""The factor is a number in fp32, and under fp16 the scaler's."""


def clip(fabric: Fabric, train_state: TrainState, largest: float | None) -> Tensor:
    """Bounds the gradient and returns its norm before."""
    bound = math.inf if largest is None else largest
    bare = cast(Any, train_state.optimizer).optimizer  # what Fabric wrapped
    if fabric.strategy.precision.precision in _NOT_IN_FP32 or not scales(bare):
        norm = fabric.clip_gradients(
            train_state.wrapped, train_state.optimizer, max_norm=bound, error_if_nonfinite=False
        )
        return cast(Tensor, norm)
    weights = [weight for group in bare.param_groups for weight in group["params"]]
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    bare.grad_scale = ((norm.float() + _TINY) / bound).clamp(min=1.0)
    return norm


def scales(optimizer: Optimizer) -> bool:
    """Whether it divides gradients by its `grad_scale` as it reads them, and skips a step that has `found_inf`."""
    return type(optimizer) is AdamW and all(group["fused"] for group in optimizer.param_groups)


_SCALED = "16-mixed"
"""Under fp16 the scaler deals with gradients that are no numbers, by a smaller scale; only the loss must be one."""
_UNSEEN = 256
"""How many steps may go unlooked at."""


@final
@dataclass(frozen=True)
class StepSign:
    """What there is to say of a step."""

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
                f"The last checkpoint holds finite weights; try a smaller optimizer.lr, more "
                f"scheduler.warmup, or clip_norm."
            )


class FiniteCheck(ABC):
    """Of a training."""

    def __init__(self, fabric: Fabric, train_state: TrainState) -> None:
        self.scaled = fabric.strategy.precision.precision == _SCALED
        self.train_state = train_state

    def watch(self, step: Step, loss: Tensor, norm: Tensor) -> None:
        """Called before the optimiser's step, which must not ruin the weights."""
        what, watched = ("loss", loss) if self.scaled else ("gradient", norm)
        self.take(StepSign(what, watched.detach(), loss, step, float(max(self.train_state.scheduler.get_last_lr()))))

    @abstractmethod
    def take(self, sign: StepSign) -> None:
        """A further step."""

    @abstractmethod
    def require(self) -> None:
        """Raises RunError if any step up to now was bad; called before anything is told, scored or saved."""


@final
class EagerFiniteCheck(FiniteCheck):
    """Looks at once, before the weights move."""

    def take(self, sign: StepSign) -> None:
        sign.require_number(sign.watched.item())

    def require(self) -> None: ...


@final
class DeferredFiniteCheck(FiniteCheck):
    """Leaves it to the device to skip the step, and looks when the loop waits for the device anyway."""

    def __init__(self, fabric: Fabric, train_state: TrainState) -> None:
        super().__init__(fabric, train_state)
        self.optimizer = cast(Any, train_state.optimizer).optimizer
        self.signs: list[StepSign] = []

    def take(self, sign: StepSign) -> None:
        if not self.scaled:
            self.optimizer.found_inf = (~sign.watched.isfinite()).float()  # AdamW skips the step where it is 1
        self.signs.append(sign)
        if len(self.signs) >= _UNSEEN:
            self.require()

    def require(self) -> None:
        signs, self.signs = self.signs, []
        values = torch.stack([sign.watched for sign in signs]).tolist() if signs else []
        for sign, value in zip(signs, values, strict=True):
            sign.require_number(value)


def make_finite_check(fabric: Fabric, train_state: TrainState) -> FiniteCheck:
    """Lazy on a GPU, where the optimiser (or fp16's scaler) can skip a step without being told from here."""
    skips = fabric.strategy.precision.precision == _SCALED or scales(cast(Any, train_state.optimizer).optimizer)
    return (
        DeferredFiniteCheck(fabric, train_state)
        if fabric.device.type == "cuda" and skips
        else EagerFiniteCheck(fabric, train_state)
    )
