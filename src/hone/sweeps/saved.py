"""A sweep's own file, and the words that it was begun with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hone.core.errors import UserError, nearest
from hone.core.redact import BLANK

FILE = "sweep.json"
VERSION = 1
"""Of the form of that file."""


def find_sweep(folder: str) -> dict[str, Any]:
    """What a sweep's folder says of it."""
    path = Path(folder).expanduser()
    told = _read(path)
    if told is not None:
        return told
    parent = path if path.is_dir() else path.parent
    others = sorted(str(each.parent) for each in parent.glob(f"**/{FILE}")) if parent.is_dir() else []
    raise UserError(f"{folder}: no sweep there (a sweep's folder holds {FILE}).{nearest(path, others)}")


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is nothing that can be read."""
    try:
        told = json.loads((path / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict):
        return None
    if told.get("version") != VERSION:
        raise UserError(
            f"{path / FILE}: written by another version of hone (form {told.get('version')}, here {VERSION}). "
            "The runs in its folder are whole: give the sweep another sweep.name, or move that file away."
        )
    return told


def saved_words(folder: str) -> list[str]:
    """What `hone train -m` was given."""
    words = [str(word) for word in find_sweep(folder).get("words") or ()]
    blank = next((word for word in words if BLANK in word), None)
    if blank is not None or not words:
        raise UserError(f"{folder}: its command has a secret that was not stored ({blank}); repeat it yourself.")
    return words


def stored_by_tracker(folder: Path) -> dict[str, Any] | None:
    """Return what the tracker has stored about the run that stands for the sweep as a whole."""
    return (_read(folder) or {}).get("tracker")
