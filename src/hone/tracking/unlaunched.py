"""W&B's client asks at each start whether its launch service has left inputs, and to ask imports a second of code."""

from __future__ import annotations

import sys
from typing import Any

_LAUNCH, _ASK = "wandb.sdk.launch", "_detect_and_apply_job_inputs"


def launch_nothing() -> None:
    """From here on it asks only where somebody has imported that service, as whoever leaves inputs does."""
    import wandb

    ask = getattr(wandb.Run, _ASK, None)
    if ask is None or ask.__module__ == __name__:
        return

    def ask_if_there(run: Any) -> None:
        if _LAUNCH in sys.modules:
            ask(run)

    setattr(wandb.Run, _ASK, ask_if_there)
