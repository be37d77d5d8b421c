"""W&B's client, as a run of ours wants it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from hone.runs.redact import redact_text, redacted_command
from hone.tracking.access import Mode
from hone.tracking.agent import handed_out
from hone.tracking.base import RunInfo
from hone.tracking.unlaunched import launch_nothing

_LONGEST = 128
_LOCAL_TIMEOUT = 60.0  # seconds for its service to start, where no server is involved


def fitting(name: str) -> str:
    """A name of a run or group that the server takes; an offline run would hear of a longer one when it is sent."""
    if len(name) <= _LONGEST:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - len(mark) - 1]}-{mark}"


def place_of(run: RunInfo, project: str, entity: str | None, tags: Sequence[str]) -> dict[str, Any]:
    """A run that goes on stays where it is; without tags it has those of the environment, where its client looks."""
    stays = {key: run.tracker[key] for key in ("project", "entity") if key in run.tracker}
    return {"project": project, "entity": entity, "tags": [redact_text(tag) for tag in tags] or None} | stays


def is_deleted(error: Exception) -> bool:
    """Whether the server refuses the run because somebody has deleted it there, after which its id is of no use."""
    return "previously created and deleted" in str(error)


def _settings(mode: Mode, init_timeout: float, finish_timeout: float, sweep: str | None) -> Any:
    """Silent, for what there is to say we say; bounded; and what a row says is on the disk a second later."""
    import wandb

    place: dict[str, Any] = {} if sweep is None else {"sweep_id": sweep}
    return wandb.Settings(
        console="off",
        silent=True,
        init_timeout=init_timeout if mode == "online" else _LOCAL_TIMEOUT,
        finish_timeout=finish_timeout,
        finish_timeout_raises=True,
        x_transaction_log_flush_interval=1.0,
        **place,
    )


def known(run: Any, mode: Mode) -> dict[str, str]:
    """What has to be stored of a run for it to be found there again, which an agent may have decided."""
    place = {"project": run.project, "entity": run.entity, "sweep": run.sweep_id}
    told = {"id": run.id, "mode": mode, "dir": str(run.settings.sync_dir), **place}
    return {key: value for key, value in told.items() if value}


def open_run(
    run: RunInfo, identity: str, mode: Mode, place: Mapping[str, Any], init_timeout: float, finish_timeout: float
) -> Any:
    """A run object of its own, never the global one; raises whatever the client raises."""
    import wandb

    launch_nothing()
    sweep = (handed_out() or run.tracker).get("sweep")
    try:
        with redacted_command():
            return wandb.init(
                id=identity,
                name=fitting(run.name),
                group=fitting(run.group),
                job_type=run.job_type,
                notes=run.notes or None,
                config=dict(run.config),
                dir=str(run.root),
                mode=mode,
                resume="allow",
                reinit="create_new",
                settings=_settings(mode, init_timeout, finish_timeout, sweep),
                **place,
            )
    except Exception:
        wandb.teardown()  # its service would hold on to the run that failed
        raise
