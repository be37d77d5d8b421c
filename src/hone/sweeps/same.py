"""The first line of a sweep's files: what all that follows has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hone.core.errors import UserError
from hone.runs.identity import differences
from hone.sweeps.lines import Lines

_REMEDY = "Give the command as it was, or begin another sweep: sweep.name=…"


def require_same(lines: Lines, about: Mapping[str, Any]) -> None:
    """Writes it into a new file, and holds an old one to it."""
    with lines.alone() as draft:
        rows = lines.rows()
        if not rows:
            draft.append({"about": about})
            return
    held(lines, about)


def held(lines: Lines, about: Mapping[str, Any]) -> None:
    """Holds an old one to it."""
    rows = lines.rows()
    before = rows[0].get("about", {}) if rows else about
    changed = differences(about, before)
    if changed:
        raise UserError(
            f"{lines.path}: this sweep was begun as another one, and its runs cannot be compared with those asked for "
            f"now: {'; '.join(changed[:6])}. {_REMEDY}"
        )
