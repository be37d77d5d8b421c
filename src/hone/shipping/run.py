"""A run that W&B does not have, or not all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import yaml

from hone.build import build
from hone.check import check_node
from hone.errors import RunError
from hone.runs.folder import Folder
from hone.runs.record import Record
from hone.runs.told import about, last_words
from hone.shipping.base import Shipment, Way
from hone.tracking import journal, wandb_files
from hone.tracking.base import Tracker

_TARGET = "hone.tracking.wandb.WandbTracker"
_LONGEST_START, _PATIENCE = 60.0, 600.0
"""Seconds for the server's first answer, and for all of a run."""


@final
@dataclass(frozen=True)
class RunShipment(Shipment):
    """Its file, or its journal."""

    folder: Folder
    record: Record
    way: Way
    why: str
    file: Path | None = None

    @property
    def place(self) -> Path:
        return self.folder.path

    @classmethod
    def of(cls, folder: Folder) -> Self:
        record = Record.load(folder.record)
        if not in_wandb(folder):
            return cls(folder, record, "nothing", "not tracked in W&B")
        if folder.is_claimed():
            return cls(folder, record, "nothing", "at work")
        known = record["wandb"]
        if known is None or "mode" not in known:
            return cls(folder, record, "journal", "W&B failed when it began")
        if known["mode"] == "disabled":
            return cls(folder, record, "nothing", "W&B was disabled")
        if known.get("sent"):
            return cls(folder, record, "nothing", "there already")
        if known["mode"] == "online":  # W&B's own upload of its file would put all rows after those that did arrive
            return cls(folder, record, "journal", "the server may lack its last rows")
        if known.get("amended"):
            return cls(folder, record, "journal", "scored on the test split since")
        return cls._of_files(folder, record, wandb_files.folders(Path(known["dir"]).parent, known["id"]))

    @classmethod
    def _of_files(cls, folder: Folder, record: Record, files: Sequence[Path]) -> Self:
        """Of a run that was logged offline."""
        if not files:
            return cls(folder, record, "journal", "its W&B file is gone")
        if len(files) > 1:
            return cls(folder, record, "journal", f"in {len(files)} pieces, which overlap")
        if not wandb_files.content(files[0]).has(_rows(folder)):
            return cls(folder, record, "journal", "its W&B file is damaged or cut off")
        return cls(folder, record, "file", "it is whole", files[0])

    def send(self) -> None:
        known = self.record["wandb"]
        if self.way == "file":
            self._send_file()
        else:
            known = self._send_journal()
        self.record.update(wandb=known | {"sent": True})

    def _send_file(self) -> None:
        words = [sys.executable, "-m", "wandb", "sync", "--include-synced", str(self.file)]
        try:
            done = subprocess.run(  # noqa: S603
                words, capture_output=True, text=True, timeout=_PATIENCE, check=False,
                env={**os.environ, "WANDB_SILENT": "false"},
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise RunError(f"W&B has not taken it within {_PATIENCE:.0f} seconds.") from error
        said = (done.stdout + done.stderr).strip().splitlines()
        wrong = [line for line in said if "ERROR" in line]  # its exit code is 0 whatever happens
        if wrong or not any("Finished syncing" in line for line in said):
            raise RunError(f"wandb sync: {(wrong or said or ['it said nothing'])[-1]}")

    def _send_journal(self) -> dict[str, Any]:
        config = yaml.safe_load(self.folder.config.read_text(encoding="utf-8"))
        tracker = online(wandb_part(config["tracker"]) or {})
        known = tracker.start(about(self.record, config, self.folder.path.parent.parent))
        tracker.uses(self.record["data"])
        tracker.catch_up(_rows(self.folder))
        tracker.keep(self.folder)
        if known is None or not tracker.finish(
            self._state, self._exit_code, last_words(self.record) | {"state": self._state}
        ):
            raise RunError("W&B did not take all of it.")
        return known

    @property
    def _state(self) -> str:
        """Nobody is at work: who says so was killed."""
        return "interrupted" if self.record["state"] == "running" else str(self.record["state"])

    @property
    def _exit_code(self) -> int:
        """Of a run that was killed there is none."""
        code = self.record["exit_code"]
        return 1 if code is None else int(code)


def in_wandb(folder: Folder) -> bool:
    """Whether the run's tracker is W&B."""
    config = yaml.safe_load(folder.config.read_text(encoding="utf-8"))
    return wandb_part(config["tracker"]) is not None


def wandb_part(node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A tracker's config if it is W&B's, or that of the one among several that is."""
    parts = [part for part in (node, *node.values()) if isinstance(part, Mapping)]
    return next((part for part in parts if part.get("_target_") == _TARGET), None)


def online(node: Mapping[str, Any]) -> Tracker:
    """A run's tracker, from its config, but it must reach the server, and nobody waits for it but who called for it."""
    asked = {"mode": "online", "required": True, "init_timeout": _LONGEST_START, "finish_timeout": _PATIENCE}
    checked = check_node({**node, **asked}, "tracker", ())
    tracker: Tracker = build(checked, Tracker, "tracker", ())
    return tracker


def _rows(folder: Folder) -> list[dict[str, Any]]:
    return [row for row in journal.read(folder.journal) if "step" in row]
