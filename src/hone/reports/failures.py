"""What went wrong, alike failures together, with the end of what one of them said."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.core.redact import redact_text
from hone.reports.runs import Entry
from hone.runs.folder import Folder

_GOOD = {"finished", "running", "waiting"}
_LINES = 15
_BYTES = 16_384
_PARTICULAR = re.compile(r"0x[0-9a-f]+|\b\d[\d.,_]*(e[+-]?\d+)?\b|(/[\w.+-]+){2,}", re.IGNORECASE)


@final
@dataclass(frozen=True)
class Failure:
    """A cause, the runs it ended, and the end of the log of the last of them."""

    state: str
    cause: str
    entries: tuple[Entry, ...]
    tail: str


def failures(entries: Sequence[Entry]) -> list[Failure]:
    """The most frequent first; numbers and paths in a reason do not make it another one."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.state not in _GOOD:
            found.setdefault((entry.state, _PARTICULAR.sub("…", _first_line(entry.reason))), []).append(entry)
    causes = sorted(found.items(), key=lambda item: (item[0][0] == "pruned", -len(item[1])))
    return [Failure(state, _first_line(same[-1].reason), tuple(same), _tail(same)) for (state, _), same in causes]


def _first_line(reason: str) -> str:
    return next((line.strip() for line in reason.splitlines() if line.strip()), "no reason is known")


def _tail(entries: Sequence[Entry]) -> str:
    """Of the last of them that has a log; pruning explains itself."""
    logs = (Folder(entry.folder).log for entry in reversed(entries) if entry.folder and entry.state != "pruned")
    return next(filter(None, map(_end, logs)), "")


def _end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return redact_text("\n".join(text.splitlines()[-_LINES:]))
