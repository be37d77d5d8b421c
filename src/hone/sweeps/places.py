"""Where the runs of a sweep are at work: so many at a time, each with its share of the cores or with a GPU."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import final

from hone.core.errors import UserError
from hone.core.value_types import Workers


@final
@dataclass(frozen=True)
class Place:
    """Room for one run."""

    threads: int
    environment: dict[str, str] = field(default_factory=dict)


def places(workers: Workers, trials_per_gpu: int, devices: int) -> list[Place]:
    """As many as asked for, which the machine must have; `devices` is how many a single run needs."""
    import torch

    cores, gpus = len(os.sched_getaffinity(0)), torch.cuda.device_count()
    if gpus:
        room = [Place(max(1, cores // gpus), {"CUDA_VISIBLE_DEVICES": one}) for one in _gpus(gpus, devices)]
        room *= trials_per_gpu
    else:
        count = max(1, cores // devices) if workers == "auto" else min(workers, cores)
        room = [Place(max(1, cores // count))] * count
    if workers != "auto" and workers > len(room):
        have = f"{gpus} GPUs with trials_per_gpu={trials_per_gpu}" if gpus else f"{cores} cores"
        raise UserError(
            f"sweep.workers={workers}: this machine has {have}, and more runs at a time would only slow each other; "
            f"say sweep.workers={len(room)}, or auto."
        )
    return room if workers == "auto" else room[:workers]


def _gpus(count: int, devices: int) -> list[str]:
    """The visible GPUs in groups of as many as a run needs."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name for name in told.split(",") if name] or [str(number) for number in range(count)]
    return [",".join(names[start : start + devices]) for start in range(0, len(names) - devices + 1, devices)]
