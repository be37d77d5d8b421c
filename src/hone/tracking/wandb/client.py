"""How hone uses W&B's client: the mode, the key, opening a run, and requests to the server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from netrc import NetrcParseError, netrc
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

from hone.core.errors import HoneError, UserError, one_line
from hone.core.foreign_text import for_screen
from hone.core.redact import redact_text, redacted_command
from hone.tracking.tracker import RunInfo
from hone.tracking.wandb.workarounds import SETTINGS, launch_nothing

Mode = Literal["online", "offline", "disabled"]

_FORMER = {"dryrun": "offline", "run": "online"}
"""Old words for modes, which W&B still accepts."""

_SWEEP, _RUN = "WANDB_SWEEP_ID", "WANDB_RUN_ID"
"""Environment variables in which W&B's agent names the run and the sweep. They override what hone passes."""

_PATIENCE = 20
"""Seconds for one answer of the server."""

_LOCAL_TIMEOUT = 60.0
"""Seconds for the client's service to start, where no server is involved."""

_LONGEST = 128
_NO_KEY = "W&B has no key: run wandb login, or set WANDB_API_KEY"


def usable_mode(wanted: Literal["auto", "online", "offline"], required: bool) -> Mode:
    """Choose the mode: the environment decides first, then the config, then whether a key is available."""
    mode: Mode
    from_environment = _mode_of_environment()
    if from_environment is not None:
        mode, reason = from_environment, f"WANDB_MODE={from_environment}"
    elif wanted != "auto":
        mode, reason = wanted, f"tracker.mode={wanted}"
    else:
        mode, reason = "online" if has_key() else "offline", _NO_KEY
    if required and mode != "online":
        raise UserError(f"tracker.required=true, but {reason}.")
    return mode


def _mode_of_environment() -> Mode | None:
    word = os.environ.get("WANDB_MODE", "")
    word = _FORMER.get(word, word)
    return cast(Mode, word) if word in get_args(Mode) else None


def has_key() -> bool:
    """Whether the client could log in without a prompt."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    import wandb

    hosts = {urlsplit(wandb.setup().settings.base_url).netloc, "api.wandb.ai"}
    try:
        return any(netrc(os.environ.get("NETRC")).authenticators(host) for host in hosts)
    except (OSError, NetrcParseError):
        return False


@contextmanager
def wandb_api(place: str) -> Iterator[Any]:
    """Yield W&B's API. Any error inside is reported with the place that the user named."""
    api = connect(place)
    try:
        yield api
    except HoneError:
        raise
    except Exception as error:  # the client raises many kinds
        raise UserError(f"{place}: {_explain(error)}") from error


def connect(place: str = "") -> Any:
    """Return W&B's API once its server has answered and accepted the key; `place` is what the user named."""
    os.environ.setdefault("WANDB_SILENT", "true")
    prefix = f"{place}: " if place else ""
    if _mode_of_environment() in ("offline", "disabled"):
        raise UserError(f"{prefix}this needs W&B's server, but WANDB_MODE={os.environ['WANDB_MODE']}; unset it.")
    if not has_key():
        raise UserError(f"{prefix}{_NO_KEY}.")
    import wandb

    try:
        return wandb.Api(timeout=_PATIENCE)
    except Exception as error:  # the client raises many kinds
        raise UserError(f"{prefix}W&B's server does not answer or rejects the key ({one_line(error)}).") from error


def _explain(error: Exception) -> str:
    """Say in words what an error of the client means."""
    message = str(error).lower()
    if "not found" in message or "could not find" in message:
        return f"W&B does not have it ({one_line(error)}). Check the spelling on its page, and what your key may read."
    return f"W&B failed to deliver it ({one_line(error)}). Is the server reachable?"


def agent_run() -> dict[str, str]:
    """Return the run that W&B's agent started this process for, and its sweep; empty without an agent."""
    if _SWEEP not in os.environ or _RUN not in os.environ:
        return {}
    return {"id": os.environ[_RUN], "sweep": os.environ[_SWEEP]}


@contextmanager
def agent_ignored() -> Iterator[None]:
    """Hide the agent from runs other than the one it started: the runs of our own sweeps, and runs that are synced."""
    hidden = {name: os.environ.pop(name) for name in (_SWEEP, _RUN) if name in os.environ}
    try:
        yield
    finally:
        os.environ |= hidden


def shorten_name(name: str) -> str:
    """Shorten the name of a run or group to what the server accepts, which an offline run would learn only later."""
    if len(name) <= _LONGEST:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - len(mark) - 1]}-{mark}"


def place_of(memory: Mapping[str, Any], project: str, entity: str | None, tags: Sequence[str]) -> dict[str, Any]:
    """Return where the run belongs. One that goes on stays where it is. Without tags, the client takes WANDB_TAGS."""
    stays = {key: memory[key] for key in ("project", "entity") if key in memory}
    return {"project": project, "entity": entity, "tags": [redact_text(tag) for tag in tags] or None} | stays


def memory_of(run: Any, mode: Mode) -> dict[str, str]:
    """Return what has to be stored to find this run again. An agent may have decided some of it."""
    place = {"project": run.project, "entity": run.entity, "sweep": run.sweep_id}
    memory = {"id": run.id, "mode": mode, "dir": str(run.settings.sync_dir), **place}
    return {key: value for key, value in memory.items() if value}


def is_deleted(error: Exception) -> bool:
    """Return whether the server refuses the run because it was deleted there. W&B never accepts its id again."""
    return "previously created and deleted" in str(error)


def open_run(
    run: RunInfo,
    memory: Mapping[str, Any],
    mode: Mode,
    place: Mapping[str, Any],
    init_timeout: float,
    finish_timeout: float,
) -> Any:
    """Return a run object of its own, never the client's global one. Whatever the client raises is raised."""
    import wandb

    launch_nothing()
    sweep = (agent_run() or memory).get("sweep")
    try:
        with redacted_command():
            return wandb.init(
                id=memory["id"],
                name=shorten_name(for_screen(run.name)),
                group=shorten_name(for_screen(run.group)),
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


def _settings(mode: Mode, init_timeout: float, finish_timeout: float, sweep: str | None) -> Any:
    """The client prints nothing, because we report what matters; and all its waiting is bounded."""
    import wandb

    place: dict[str, Any] = {} if sweep is None else {"sweep_id": sweep}
    return wandb.Settings(
        console="off",
        silent=True,
        init_timeout=init_timeout if mode == "online" else _LOCAL_TIMEOUT,
        finish_timeout=finish_timeout,
        finish_timeout_raises=True,
        **SETTINGS,
        **place,
    )
