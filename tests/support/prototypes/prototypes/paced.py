"""An optimiser that takes its time, so that a run can be disturbed before it ends, without keeping a core busy."""

import os
import time
from pathlib import Path
from typing import Any

import torch

QUICK_STEPS = 8
"""Enough for the first evaluations and checkpoints of a run."""
WAIT = 10.0


class Paced(torch.optim.AdamW):
    """AdamW that waits before each step but the first few while the file HONE_PACE exists, up to ten seconds.

    The wait changes no result and no run's identity."""

    steps = 0

    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        until = time.monotonic() + WAIT
        while self.steps > QUICK_STEPS and Path(os.environ["HONE_PACE"]).exists() and time.monotonic() < until:
            time.sleep(0.1)
        return super().step(closure)
