"""Loss, speed and memory between two log lines, from sums and counts. Reading them waits for no step."""

from __future__ import annotations

import time
from typing import final

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from hone.core.hardware import resident_memory
from hone.data.module import Step
from hone.training.fabric import sum_over_processes
from hone.training.fast.packing import Packing
from hone.training.state import TrainState


@final
class Meter:
    """Counts on every process; a reading sums over the processes. `unit` is what the lengths of rows count."""

    def __init__(self, fabric: Fabric, packing: Packing, unit: str) -> None:
        self.fabric, self.packing, self.unit = fabric, packing, unit
        self._reset()

    def count(self, step: Step, loss: Tensor, norm: Tensor, targets: float) -> None:
        """Count a finished step: its loss summed over this process's targets, and the targets of all processes.

        A loss that is not a number is left out of the mean, with its targets."""
        self.loss += torch.where(loss.isfinite(), loss, 0.0)
        self.without_loss += torch.where(loss.isfinite(), 0.0, sum(step.targets))
        self.norm = norm
        self.targets += targets
        self.sums += torch.tensor([step.rows, step.tokens, self.packing.cost(step)], dtype=torch.float64)

    def read(self, state: TrainState) -> dict[str, float]:
        """Return the numbers since the last reading."""
        seconds = time.perf_counter() - self.since
        local = torch.cat([torch.stack([self.loss, self.without_loss]).cpu().double(), self.sums])
        loss, without_loss, rows, tokens, computed = sum_over_processes(self.fabric, local)
        row = {
            "train/loss": loss / max(self.targets - without_loss, 1e-12),
            "train/grad_norm": float(self.norm),
            **_rates(state.scheduler),
            **({"train/skipped_steps": state.skipped.total} if state.skipped.total else {}),
            **({"train/retries": state.retries.total} if state.retries.total else {}),
            **({"train/left_out_rows": state.left_out.counts["train"]} if "train" in state.left_out.counts else {}),
            "train/samples_per_second": rows / seconds,
            f"train/{self.unit}_per_second": tokens / seconds,
            "train/waste": computed / max(tokens, 1.0),
            "train/memory_gb": _memory(self.fabric.device) / 2**30,
        }
        self._reset()
        return row

    def exclude(self, seconds: float) -> None:
        """Leave out time that was not spent training."""
        self.since += seconds

    def _reset(self) -> None:
        self.since = time.perf_counter()
        self.loss = torch.zeros((), device=self.fabric.device)
        self.without_loss = torch.zeros((), device=self.fabric.device)
        self.norm = torch.zeros(())
        self.targets = 0.0
        self.sums = torch.zeros(3, dtype=torch.float64)


def _rates(scheduler: LambdaLR) -> dict[str, float]:
    """Return the highest learning rate and, with several groups, the rate of each."""
    named = {group["name"]: float(group["lr"]) for group in scheduler.optimizer.param_groups}
    by_group = {f"train/lr/{name}": rate for name, rate in named.items()} if len(named) > 1 else {}
    return {"train/lr": max(named.values()), **by_group}


def _memory(device: torch.device) -> int:
    """Return the memory of this process in bytes: the peak on a GPU, the present size on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident_memory()
