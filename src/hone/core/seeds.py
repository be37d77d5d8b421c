"""All randomness as a function of the run's seed and a place in the run, so that any step can be repeated exactly.

No draw depends on earlier draws. So a resumed run needs no saved random state, and an additional evaluation changes no
later step.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch

_STREAMS = {"order": 0, "collate": 1, "step": 2, "weights": 3, "rounding": 4, "shuffle": 5, "row": 6}


def stream(seed: int, purpose: str, *place: int) -> np.random.Generator:
    """Return the random generator for a purpose at a place of the run, such as an epoch or a step."""
    return np.random.default_rng([seed, _STREAMS[purpose], *place])


def seed_everything(seed: int, purpose: str, *place: int) -> None:
    """Seed the global generators of torch, numpy and Python for a place of the run."""
    number = int(stream(seed, purpose, *place).integers(2**63))
    _seed_torch()(number)
    np.random.seed(number % 2**32)  # numpy takes 32 bits
    random.seed(number)


@contextmanager
def separate_draws(device: torch.device) -> Iterator[Callable[[int], Any]]:
    """Yield a function that seeds torch's global generators, which have their former states again afterwards.

    It is for code of libraries that draws from them where the draws must depend on something else."""
    devices = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(devices, device_type=device.type if devices else "cuda"):
        yield _seed_torch()


@cache
def _seed_torch() -> Callable[[int], Any]:
    """Return the function that seeds torch. Without an accelerator `torch.manual_seed` takes milliseconds per call:
    it stores a stack trace for every kind of device that is absent."""
    return torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed
