"""What `on_nonfinite=retry` does: the run goes back to its newest checkpoint, and on with half the learning rate.

The checkpoint is written again with the new learning rate and the number of retries. So a run that is killed goes on as
it would have.
"""

from __future__ import annotations

import logging
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch.optim.lr_scheduler import LambdaLR

from hone.core.errors import RunError
from hone.training.nonfinite import NotFinite
from hone.training.progress import RunProgress
from hone.training.state import TrainState

log = logging.getLogger(__name__)

RETRIES = 3
"""The number of retries of a run."""
_SHARE = 0.5
"""The share of the learning rate that each retry keeps. Half a rate has the same digits, so nothing is rounded."""


def go_back(fabric: Fabric, state: TrainState, progress: RunProgress, reason: NotFinite) -> None:
    """Go back to the newest checkpoint with a smaller learning rate. Raise RunError after the last retry."""
    if state.retries.total >= RETRIES:
        raise RunError(
            f"{reason} The run went back {RETRIES} times before, each time with half the learning rate "
            f"(on_nonfinite=retry). Try a smaller optimizer.lr, more scheduler.warmup, or clip_norm."
        )
    seconds, rows = progress.seconds, progress.listeners.logged()
    state.optimizer.zero_grad(set_to_none=True)
    _forget_scaling(fabric)
    progress.resume(fabric, state)
    progress.earlier = seconds  # the time was spent, although its steps are gone
    lower_rates(state.scheduler, _SHARE)
    state.retries.total += 1
    state.retries.rows = rows + 1  # the row after the abandoned ones shows that they were abandoned
    log.warning(
        "%s The run goes back to step %d, and on with the learning rate times %g (retry %d of %d).",
        reason, progress.step, _SHARE ** state.retries.total, state.retries.total, RETRIES,
    )  # fmt: skip
    fabric.barrier()  # every process has read the checkpoint that is now replaced
    progress.save(fabric, state)
    progress.begin(state)


def lower_rates(scheduler: LambdaLR, share: float) -> None:
    """Multiply the learning rates, present and future, of all groups."""
    for group in scheduler.optimizer.param_groups:
        group["lr"] *= share
        group["initial_lr"] *= share
    lower = {"base_lrs": [share * rate for rate in scheduler.base_lrs], "_last_lr": _rates(scheduler)}
    scheduler.load_state_dict(scheduler.state_dict() | lower)


def _rates(scheduler: LambdaLR) -> list[float]:
    return [group["lr"] for group in scheduler.optimizer.param_groups]


def _forget_scaling(fabric: Fabric) -> None:
    """Give fp16 a new scaler: the present one waits for the step that is not taken. A checkpoint has its numbers."""
    precision = cast(Any, fabric.strategy.precision)
    if getattr(precision, "scaler", None) is not None:
        precision.scaler = torch.amp.GradScaler(fabric.device.type)
