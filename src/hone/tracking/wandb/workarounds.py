"""Everything here relies on something that W&B's client does not promise: private names, and how its log is worded.

All of it was seen in wandb 0.31.0. `PRIVATE_NAMES` lists the names; `tests/tracking/test_wandb_private.py` fails by
name when one of them is gone, and tests what the functions here achieve."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, final

PRIVATE_NAMES = {
    "wandb.sdk.wandb_run.Run": (
        "_cached_public_api", "_public_api", "_detect_and_apply_job_inputs", "_log_artifact",
    ),
    "wandb.apis.public.api.Api": ("_expected_artifact_type", "_set_artifact_save_handle"),
    "wandb.sdk.wandb_setup._WandbSetup": ("_connection",),
    "wandb.sdk.lib.service.service_connection.ServiceConnection": ("_proc",),
    "wandb.sdk.lib.service.service_process.ServiceProcess": ("_process",),
    "wandb.sdk.wandb_settings.Settings": ("x_transaction_log_flush_interval", "log_internal"),
}  # fmt: skip
"""By the class that has them."""

SETTINGS: Mapping[str, Any] = {"x_transaction_log_flush_interval": 1.0}
"""Seconds until a row is on the disk. The default of 15 would lose that much of an offline run that is killed."""

_LAUNCH, _ASK = "wandb.sdk.launch", "_detect_and_apply_job_inputs"
_REFUSALS = {
    "filestream: ": "the server refused its rows",
    "file transfer: ": "the server refused its files",
}
"""How the client's log begins the errors after which it does not try again."""


@final
class _SilentApi:
    """Stands in for the API with which a run asks its server whether a name is taken by another type of artifact.

    Our names never are, the client waits 20 s for each answer where no server replies, and it keeps the other answer
    only for callers that wait for an artifact, which we do not."""

    settings: ClassVar[dict[str, str]] = {"entity": "", "project": ""}

    def _expected_artifact_type(self, **about: str) -> None:
        return

    def _set_artifact_save_handle(self, artifact: object, handle: object) -> None:
        return


def ask_nothing(run: Any) -> None:
    """Make a run take tables and artifacts without asking its server first."""
    run._cached_public_api = _SilentApi()


def launch_nothing() -> None:
    """Spare the import of W&B's launch service, about a second at every start, unless it has been imported anyway.

    The client imports it to find out whether the service has left inputs, which takes an import of it to do."""
    import wandb

    ask = getattr(wandb.Run, _ASK, None)
    if ask is None or ask.__module__ == __name__:
        return

    def ask_if_imported(run: Any) -> None:
        if _LAUNCH in sys.modules:
            ask(run)

    setattr(wandb.Run, _ASK, ask_if_imported)


def use_artifact(run: Any, artifact: Any) -> None:
    """Record that the run uses this artifact. The public `use_artifact` waits for the server, and refuses offline."""
    run._log_artifact(artifact, is_user_created=True, use_after_commit=True)


def abandon() -> None:
    """Kill the process in which the client does its work. With its server gone it may retry for days, keep our process
    from ending and outlive it while it holds its pipes. What it has not sent is on the disk."""
    import wandb

    with suppress(Exception):  # a service that never started or has ended already needs no ending
        service: Any = wandb.setup()._connection
        service._proc._process.kill()
        service._proc._process.wait()
    with suppress(Exception, SystemExit):  # it was killed, so its exit code is not 0
        wandb.teardown()


def find_loss(log: Path) -> str | None:
    """Return why the server may not have the whole run, from the log of a run that was closed; None if it has.

    A server that refuses a run's rows once gets no more of them, and a proxy's page counts as taken. The client closes
    the run as usual, and only its own log tells. The server is not asked: it counts rows when it gets round to it, and
    may refuse that as well. The log must also prove that the last request, which marks the run's end, was taken: should
    it ever be worded differently, we warn too often, and sending a run again does no harm."""
    ending = ended = False
    for entry in _entries(log):
        message = str(entry.get("msg", ""))
        if str(entry.get("level")).startswith("ERROR"):
            reason = next((why for beginning, why in _REFUSALS.items() if message.startswith(beginning)), None)
            if reason is not None:
                return reason
        if message == "filestream: sending request":
            ending = bool(entry.get("complete"))
        ended = ended or (ending and message == "filestream: request sent")
    return None if ended else "the server did not confirm its end"


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else ():
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry
