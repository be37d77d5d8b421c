"""W&B's agent says in the environment which run of which sweep a command is; its client then believes nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_SWEEP, _RUN = "WANDB_SWEEP_ID", "WANDB_RUN_ID"


def handed_out() -> dict[str, str]:
    """The run that an agent has this process do, and its sweep; empty if there is no agent."""
    if _SWEEP not in os.environ or _RUN not in os.environ:
        return {}
    return {"id": os.environ[_RUN], "sweep": os.environ[_SWEEP]}


@contextmanager
def set_aside() -> Iterator[None]:
    """For runs that are not the one which the agent knows of: those of a sweep of ours, and those that are sent."""
    known = {name: os.environ.pop(name) for name in (_SWEEP, _RUN) if name in os.environ}
    try:
        yield
    finally:
        os.environ |= known
