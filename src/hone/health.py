"""Whether loss and gradient are numbers: looked at in every step, or, where looking makes a GPU wait, a few at a time.

A GPU that is not looked at skips the bad step by itself, so that the weights stay finite until somebody looks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hone.clipping import scales
from hone.core.errors import RunError
from hone.data.module import Step
from hone.trainee import Trainee

_SCALED = "16-mixed"
"""Under fp16 the scaler deals with gradients that are no numbers, by a smaller scale; only the loss must be one."""
_UNSEEN = 256
"""How many steps may go unlooked at."""


@final
@dataclass(frozen=True)
class Sign:
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


class Health(ABC):
    """Of a training."""

    def __init__(self, fabric: Fabric, trainee: Trainee) -> None:
        self.scaled = fabric.strategy.precision.precision == _SCALED
        self.trainee = trainee

    def watch(self, step: Step, loss: Tensor, norm: Tensor) -> None:
        """Called before the optimiser's step, which must not ruin the weights."""
        what, watched = ("loss", loss) if self.scaled else ("gradient", norm)
        self.take(Sign(what, watched.detach(), loss, step, float(max(self.trainee.scheduler.get_last_lr()))))

    @abstractmethod
    def take(self, sign: Sign) -> None:
        """A further step."""

    @abstractmethod
    def require(self) -> None:
        """Raises RunError if any step up to now was bad; called before anything is told, scored or saved."""


@final
class Immediate(Health):
    """Looks at once, before the weights move."""

    def take(self, sign: Sign) -> None:
        sign.require_number(sign.watched.item())

    def require(self) -> None: ...


@final
class Lazy(Health):
    """Leaves it to the device to skip the step, and looks when the loop waits for the device anyway."""

    def __init__(self, fabric: Fabric, trainee: Trainee) -> None:
        super().__init__(fabric, trainee)
        self.optimizer = cast(Any, trainee.optimizer).optimizer
        self.signs: list[Sign] = []

    def take(self, sign: Sign) -> None:
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


def health_of(fabric: Fabric, trainee: Trainee) -> Health:
    """Lazy on a GPU, where the optimiser (or fp16's scaler) can skip a step without being told from here."""
    skips = fabric.strategy.precision.precision == _SCALED or scales(cast(Any, trainee.optimizer).optimizer)
    return Lazy(fabric, trainee) if fabric.device.type == "cuda" and skips else Immediate(fabric, trainee)
