"""Whether all of a run has arrived, once W&B's client has closed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def missing(log: Path) -> str | None:
    """Why some of it may not have arrived; None if it all has.

    A server that once refuses a run's rows gets no more of them, and the client closes the run as ever: nothing but its
    own log tells. The server is not asked, for it counts rows when it has the time to, and may refuse that as well. The
    log must prove that the end of the run arrived, which goes last: should it ever be worded in another way, we warn
    too often, and what is sent again harms nothing."""
    ending = False
    for entry in _entries(log):
        said = str(entry.get("msg", ""))
        if said.startswith("filestream: fatal error"):
            return "the server refused its rows"
        if said == "filestream: sending request":
            ending = bool(entry.get("complete"))
        elif said == "filestream: request sent" and ending:
            return None
    return "the server never took its end"


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
