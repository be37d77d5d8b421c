"""Whether all of a run has arrived, once W&B's client has closed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_REFUSED = {
    "filestream: ": "the server did not take its rows",
    "file transfer: ": "the server did not take its files",
}
"""How the client calls its errors that it does not try to mend."""


def missing(log: Path) -> str | None:
    """Why some of it may not have arrived; None if it all has.

    A server that once refuses a run's rows gets no more of them, and what a proxy answers counts as taken; the client
    closes the run as ever, and nothing but its own log tells. The server is not asked: it counts rows when it has the
    time to, and may refuse that as well. The log must also prove that the end of the run was taken, which goes last:
    should it ever be worded in another way, we warn too often, and what is sent again harms nothing."""
    ending = ended = False
    for entry in _entries(log):
        said = str(entry.get("msg", ""))
        if str(entry.get("level")).startswith("ERROR"):
            for beginning, why in _REFUSED.items():
                if said.startswith(beginning):
                    return why
        if said == "filestream: sending request":
            ending = bool(entry.get("complete"))
        ended = ended or (ending and said == "filestream: request sent")
    return None if ended else "the server did not take its end"


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
