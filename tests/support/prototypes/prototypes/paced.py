"""An optimiser that takes its time, so that a run can be disturbed before it ends, without keeping a core busy."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch


class Paced(torch.optim.AdamW):
    """AdamW that waits before each step of a network: as long as the file HONE_PACE says, if there is one.

    The wait changes no result and no run's identity. A step on a single weight is hone's measure of memory."""

    def step(self, closure: Any = None) -> Any:
        if sum(len(group["params"]) for group in self.param_groups) > 1:
            with suppress(FileNotFoundError):
                time.sleep(float(Path(os.environ["HONE_PACE"]).read_text()))
        return super().step(closure)
