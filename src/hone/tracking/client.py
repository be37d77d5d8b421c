"""How W&B's client is to behave in a run of ours."""

from __future__ import annotations

from typing import Any

from hone.tracking.access import Mode

_LOCAL_TIMEOUT = 60.0  # seconds for its service to start, where no server is involved


def client_settings(mode: Mode, init_timeout: float, finish_timeout: float) -> Any:
    """Silent, for what there is to say we say; bounded; and what a row says is on the disk a second later."""
    import wandb

    return wandb.Settings(
        console="off",
        silent=True,
        init_timeout=init_timeout if mode == "online" else _LOCAL_TIMEOUT,
        finish_timeout=finish_timeout,
        finish_timeout_raises=True,
        x_transaction_log_flush_interval=1.0,
    )
