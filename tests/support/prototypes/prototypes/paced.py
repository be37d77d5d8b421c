"""An optimiser that takes its time, so that a run can be disturbed before it ends, without keeping a core busy."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

QUICK_STEPS = 8
"""Enough for the first evaluations and checkpoints of a run."""


class Paced(torch.optim.AdamW):
    """AdamW that waits before each step but the first few: as long as the file HONE_PACE says, if there is one.

    The wait changes no result and no run's identity."""

    steps = 0

    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        if self.steps > QUICK_STEPS:
            with suppress(FileNotFoundError):
                time.sleep(float(Path(os.environ["HONE_PACE"]).read_text()))
        return super().step(closure)
