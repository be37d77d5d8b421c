"""The runs that failed, grouped by cause, with the end of a log for each cause."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.core.redact import redact_text
from hone.reports.runs import RunEntry
from hone.runs.folder import Folder

_NO_FAILURE = {"finished", "running", "waiting"}
_TAIL_LINES = 15
_TAIL_BYTES = 16_384
_VARYING = re.compile(r"0x[0-9a-f]+|\b\d[\d.,_]*(e[+-]?\d+)?\b|(/[\w.+-]+){2,}", re.IGNORECASE)
"""Numbers and paths, which differ between failures with the same cause."""


@final
@dataclass(frozen=True)
class Failure:
    """A cause, the runs that it ended, and the end of the log of the last of them."""

    state: str
    cause: str
    entries: tuple[RunEntry, ...]
    tail: str


def group_failures(entries: Sequence[RunEntry]) -> list[Failure]:
    """Group the failed runs by state and cause, the most frequent cause first and pruned runs last. Reasons that differ
    only in numbers and paths have the same cause."""
    by_cause: dict[tuple[str, str], list[RunEntry]] = {}
    for entry in entries:
        if entry.state not in _NO_FAILURE:
            cause = _VARYING.sub("…", _first_line(entry.reason))
            by_cause.setdefault((entry.state, cause), []).append(entry)
    ordered = sorted(by_cause.items(), key=lambda item: (item[0][0] == "pruned", -len(item[1])))
    return [
        Failure(state, _first_line(members[-1].reason), tuple(members), _log_tail(members))
        for (state, _), members in ordered
    ]


def _first_line(reason: str) -> str:
    return next((line.strip() for line in reason.splitlines() if line.strip()), "no reason was recorded")


def _log_tail(entries: Sequence[RunEntry]) -> str:
    """Read the end of the log of the last run that has one. Pruned runs need none: their reason says it all."""
    logs = (Folder(entry.folder).log for entry in reversed(entries) if entry.folder and entry.state != "pruned")
    return next(filter(None, map(_read_tail, logs)), "")


def _read_tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return redact_text("\n".join(text.splitlines()[-_TAIL_LINES:]))
