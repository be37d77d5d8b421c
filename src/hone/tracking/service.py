"""The process in which W&B's client does its work, and which ours waits for when it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def abandon() -> None:
    """Ends it. With its server gone it may try again for days, keep our process from ending, and outlive it with the
    pipes of whoever started us; what it has not sent lies on disk."""
    import wandb

    with suppress(Exception):  # nothing of this is W&B's public side, and a service that has ended needs no ending
        service: Any = wandb.setup()._connection
        service._proc._process.kill()
        service._proc._process.wait()
    with suppress(Exception, SystemExit):  # nobody listens to its goodbye, and it did not end well
        wandb.teardown()
