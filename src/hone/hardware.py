"""The devices of this machine."""

from __future__ import annotations

import os

import torch

from hone.errors import UserError
from hone.types import Accelerator


def require_devices(accelerator: Accelerator, devices: int) -> None:
    """Raises UserError where the machine lacks what is asked for."""
    gpus, cores = torch.cuda.device_count(), os.cpu_count() or 1
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise UserError("accelerator=mps: this machine has no Apple GPU.")
    if accelerator == "cuda" and gpus < devices:
        raise UserError(f"accelerator=cuda devices={devices}: this machine has {gpus} GPUs.")
    if accelerator == "auto" and 0 < gpus < devices:
        raise UserError(
            f"devices={devices}: this machine has {gpus} GPUs; for processes on the CPU say accelerator=cpu."
        )
    if devices > max(gpus, cores):
        raise UserError(f"devices={devices}: this machine has {cores} cores, and a process each would only wait.")


def device_of(accelerator: Accelerator) -> str:
    """The kind of device that a run will be on."""
    if accelerator != "auto":
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
