"""What is known of the cells of a sweep: the runs' own records, one folder an identity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import final

from hone.runs.folder import Folder
from hone.runs.record import Record, now
from hone.runs.sweep_file import Outcome


@final
class Ledger:
    """A sweep's folder. The truth about a run is its `run.json`, so any driver can be killed at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run_folder(self, identity: str) -> Folder:
        return Folder(self.folder / identity)

    def outcome(self, identity: str) -> Outcome | None:
        """How the run stands, if there is one; one that says it is running, and is not, was interrupted."""
        folder = self.run_folder(identity)
        try:
            record = json.loads(folder.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        outcome = Outcome.of(record)
        if outcome.state == "running" and not folder.is_claimed():
            return Outcome("interrupted", "it was killed", outcome.value, outcome.seconds)
        return outcome

    def close(self, identity: str, outcome: Outcome) -> None:
        """Writes down the end of a run that could not do so itself."""
        folder = self.run_folder(identity)
        if folder.record.is_file() and not folder.is_claimed():
            record = Record.load(folder.record)
            if record["state"] == "running":
                record.update(state=outcome.state, exit_code=1, reason=outcome.reason, finished=now())

    def set_aside(self, identity: str) -> None:
        """Keeps what a run has, which is to be made again, out of the way."""
        old = self.run_folder(identity).path
        if old.is_dir():
            aside = self.folder / "superseded"
            aside.mkdir(exist_ok=True)
            old.rename(aside / f"{identity}-{len(list(aside.glob(f'{identity}-*')))}")
