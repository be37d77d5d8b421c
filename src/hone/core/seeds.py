"""All randomness as a function of the run's seed and a place in the run, so that any moment can be found again.

Nothing here depends on what was drawn before: a resumed run needs no saved random state, and an evaluation more or
less changes no later step.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

_STREAMS = {"order": 0, "collate": 1, "step": 2, "weights": 3, "rounding": 4, "shuffle": 5}


def stream(seed: int, purpose: str, *place: int) -> np.random.Generator:
    """The random stream for a purpose at a place."""
    return np.random.default_rng([seed, _STREAMS[purpose], *place])


def seed_everything(seed: int, purpose: str, *place: int) -> None:
    """Points the global generators of torch, numpy and Python at a place of the run."""
    word = int(stream(seed, purpose, *place).integers(2**63))
    _seed_torch()(word)
    np.random.seed(word % 2**32)
    random.seed(word)


@cache
def _seed_torch() -> Callable[[int], Any]:
    """`torch.manual_seed` notes where it was called from for every device that is not there: milliseconds a step."""
    return torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed
