"""What is known of the cells of a sweep: the runs' own records, one folder an identity, and a summary for readers."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any, final

from hone.runs.folder import Folder
from hone.runs.record import Record, now, write_atomically
from hone.sweeps.cell import Outcome

SUMMARY = "sweep.json"


@final
class Ledger:
    """A sweep's folder. The truth about a run is its `run.json`, so any driver can be killed at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run_folder(self, identity: str) -> Folder:
        return Folder(self.folder / identity)

    def outcome(self, identity: str) -> Outcome | None:
        """How the run stands; None where there is none yet. One that says it is running, and is not, was interrupted."""
        folder = self.run_folder(identity)
        try:
            record = json.loads(folder.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        outcome = Outcome.of(record)
        if outcome.state == "running" and not is_claimed(folder):
            return Outcome("interrupted", "it was killed", outcome.value, outcome.seconds)
        return outcome

    def close(self, identity: str, outcome: Outcome) -> None:
        """Writes down the end of a run that could not do so itself."""
        path = self.run_folder(identity).record
        if path.is_file() and not is_claimed(self.run_folder(identity)):
            record = Record.load(path)
            if record["state"] == "running":
                record.update(state=outcome.state, exit_code=1, reason=outcome.reason, finished=now())

    def summarise(self, story: dict[str, Any]) -> None:
        """For the report and for people."""
        write_atomically(self.folder / SUMMARY, json.dumps(story, indent=2, ensure_ascii=False) + "\n")


def is_claimed(folder: Folder) -> bool:
    """Whether a process, of this sweep or another, is at this run."""
    try:
        with (folder.path / ".lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
