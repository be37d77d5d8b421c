"""Asking W&B's server for something that a command cannot do without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from netrc import NetrcParseError, netrc
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

from hone.errors import HoneError, UserError, briefly

Mode = Literal["online", "offline", "disabled"]

_FORMER = {"dryrun": "offline", "run": "online"}
"""Words for modes that W&B still knows."""

_PATIENCE = 20
"""Seconds for one answer."""


@contextmanager
def asking(place: str) -> Iterator[Any]:
    """W&B's own API; whatever goes wrong there is told of the place that the user named."""
    api = reached(place)
    try:
        yield api
    except HoneError:
        raise
    except Exception as error:  # its client raises what it likes
        raise UserError(f"{place}: {_told(error)}") from error


def reached(place: str = "") -> Any:
    """W&B's own API, once its server has answered and knows the key; `place` is what the user named."""
    os.environ.setdefault("WANDB_SILENT", "true")
    told = f"{place}: " if place else ""
    _require_key(told)
    import wandb

    try:
        return wandb.Api(timeout=_PATIENCE)
    except Exception as error:  # its client raises what it likes
        raise UserError(f"{told}W&B's server does not answer, or does not know the key ({briefly(error)}).") from error


def _require_key(told: str) -> None:
    """For what only works online."""
    if _said() in ("offline", "disabled"):
        raise UserError(f"{told}WANDB_MODE={os.environ['WANDB_MODE']}: W&B is not asked; unset it.")
    if not has_key():
        raise UserError(f"{told}W&B has no key: say wandb login, or set WANDB_API_KEY.")


def usable_mode(wanted: Literal["auto", "online", "offline"], required: bool) -> Mode:
    """The environment's word counts for most, then the config's, then whether there is a key."""
    mode = _said() or (wanted if wanted != "auto" else "online" if has_key() else "offline")
    if required and mode != "online":
        why = "W&B has no key: say wandb login, or set WANDB_API_KEY"
        why = f"tracker.mode={wanted}" if wanted == "offline" else why
        raise UserError(f"tracker.required=true, but {f'WANDB_MODE={mode}' if _said() else why}.")
    return mode


def _said() -> Mode | None:
    said = os.environ.get("WANDB_MODE", "")
    said = _FORMER.get(said, said)
    return cast(Mode, said) if said in get_args(Mode) else None


def has_key() -> bool:
    """Whether `wandb` could log in without asking."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    import wandb

    hosts = {urlsplit(wandb.setup().settings.base_url).netloc, "api.wandb.ai"}
    try:
        return any(netrc(os.environ.get("NETRC")).authenticators(host) for host in hosts)
    except (OSError, NetrcParseError):
        return False


def _told(error: Exception) -> str:
    said = str(error)
    if "not found" in said.lower() or "could not find" in said.lower():
        return f"W&B has no such thing ({briefly(error)}). Is it spelt as on its page, and may your key see it?"
    return f"W&B does not give it ({briefly(error)}). Is the server reachable?"
