"""How `hone sync` uploads a run that W&B lacks completely or in part.

If W&B's own file of the run is complete, that file is uploaded, because it has more: the machine's load, for example.
Otherwise the run is logged again from its journal, which is always complete."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, final

from hone.config.build import build
from hone.config.check import check_node
from hone.core.errors import RunError, UserError
from hone.runs.folder import Folder
from hone.runs.journal import read_rows
from hone.runs.manifest import Manifest
from hone.runs.reading import read_yaml
from hone.runs.record import Record
from hone.tracking.bookkeeping import Stored, TrackedRun, final_summary, run_info, stored_for
from hone.tracking.tracker import Tracker
from hone.tracking.wandb.files import is_whole
from hone.tracking.wandb.tracker import WandbTracker

Way = Literal["nothing", "file", "journal", "refused"]

_TARGET = f"{WandbTracker.__module__}.{WandbTracker.__qualname__}"
_SENT = ("config.yaml", "facts.json", "git.diff", "metrics.jsonl", "predictions", "contributions")
_LONGEST_START, _PATIENCE = 60.0, 600.0
"""Seconds for the server's first answer, and for a whole run."""


class Upload(ABC):
    """The upload of a run or a sweep: `way` is how it is done, and `why` is the reason for that way."""

    way: Way
    why: str

    @property
    @abstractmethod
    def place(self) -> Path:
        """The folder of the run or sweep."""

    @abstractmethod
    def send(self) -> None:
        """Upload it. Raise RunError or UserError if it does not arrive."""


@final
@dataclass(frozen=True)
class RefusedUpload(Upload):
    """A run or a sweep that cannot be sent, because a file of it is damaged."""

    folder: Path
    why: str
    way: Way = "refused"

    @property
    def place(self) -> Path:
        return self.folder

    def send(self) -> None:
        raise UserError(self.why)


@final
@dataclass(frozen=True)
class RunUpload(Upload):
    """The upload of one run."""

    folder: Folder
    record: Record
    config: Mapping[str, Any]
    way: Way
    why: str

    @property
    def place(self) -> Path:
        return self.folder.path

    @classmethod
    def of(cls, folder: Folder) -> Self:
        """Decide how the run in this folder has to be uploaded."""
        record = Record.load(folder.record)
        config = read_yaml(folder.config, ("tracker", "notes"))
        if wandb_part(config["tracker"]) is None:
            return cls(folder, record, config, "nothing", "not tracked in W&B")
        if folder.is_claimed():
            return cls(folder, record, config, "nothing", "still running")
        way, why = _decide(stored_for(record["tracker"], WandbTracker.name) or {})
        if way != "nothing":
            _require_intact(folder)
        return cls(folder, record, config, way, why)

    def send(self) -> None:
        node = wandb_part(self.config["tracker"]) or {}
        tracked = TrackedRun(online_tracker(node), self.record["tracker"], self._store)
        if self.way == "file":
            _send_file(self._client_folder)
            tracked.mark_sent()
        else:
            self._send_journal(tracked)

    @property
    def _client_folder(self) -> Path:
        return Path((stored_for(self.record["tracker"], WandbTracker.name) or {})["dir"])

    def _send_journal(self, tracked: TrackedRun) -> None:
        tracked.begin(run_info(self.record, self.config, self.folder.path.parent.parent))
        tracked.tracker.uses(self.record["data"])
        tracked.tracker.catch_up(list(read_rows(self.folder.journal)))
        tracked.tracker.keep(self.folder)
        # A run that claims to be running although no process holds its folder was killed, and has no exit code.
        state = "interrupted" if self.record["state"] == "running" else str(self.record["state"])
        code = 1 if self.record["exit_code"] is None else int(self.record["exit_code"])
        tracked.end(state, code, final_summary(self.record) | {"state": state})
        if not tracked.is_sent:
            raise RunError("W&B did not take all of it.")

    def _store(self, stored: Stored) -> None:
        self.record.update(tracker=stored)


def _require_intact(folder: Folder) -> None:
    """Raise UserError if a file that is sent is damaged; the model is not read here."""
    manifest = Manifest.load(folder.manifest)
    problems = (manifest and manifest.problem(place) for place in _SENT)
    problem = next(filter(None, problems), None)
    if problem:
        raise UserError(f"{problem} Restore it from a copy, or delete manifest.json to send the run as it is.")


def wandb_part(node: Any) -> Mapping[str, Any] | None:
    """Return a tracker's config if it is W&B's, or the part of several trackers that is."""
    if not isinstance(node, Mapping):
        return None
    parts = [part for part in (node, *node.values()) if isinstance(part, Mapping)]
    return next((part for part in parts if part.get("_target_") == _TARGET), None)


def online_tracker(node: Mapping[str, Any]) -> Tracker:
    """Build a run's tracker from its config. It has to reach the server, and may take the time that an upload takes."""
    changes = {"mode": "online", "required": True, "init_timeout": _LONGEST_START, "finish_timeout": _PATIENCE}
    tracker: Tracker = build(check_node({**node, **changes}, "tracker", ()), WandbTracker, "tracker", ())
    return tracker


def _decide(memory: Mapping[str, Any]) -> tuple[Way, str]:
    """Choose the way from what `WandbTracker` has stored, and for a complete offline run from its file."""
    mode = memory.get("mode")
    checks: list[tuple[bool, Way, str]] = [
        (mode is None, "journal", "W&B failed when the run began"),
        (mode == "disabled", "nothing", "W&B was disabled"),
        (bool(memory.get("sent")), "nothing", "already there"),
        # W&B's own upload of the file would append all rows to those that did arrive.
        (mode == "online", "journal", "the server may lack its last rows"),
        (bool(memory.get("amended")), "journal", "it was scored on the test split after it had ended"),
        (not memory.get("complete"), "journal", "it was stopped and resumed, or W&B did not take all of it"),
    ]
    decided = next(((way, why) for applies, way, why in checks if applies), None)
    return decided or _decide_by_file(Path(memory["dir"]))


def _decide_by_file(folder: Path) -> tuple[Way, str]:
    if not folder.is_dir():
        return "journal", "its W&B file is gone"
    return ("file", "it is whole") if is_whole(folder) else ("journal", "its W&B file is damaged or cut off")


def _send_file(folder: Path) -> None:
    """Upload with `wandb sync`, whose exit code is 0 whatever happens: only its output tells."""
    try:
        result = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "wandb", "sync", "--include-synced", str(folder)],
            capture_output=True, text=True, timeout=_PATIENCE, check=False,
            env={**os.environ, "WANDB_SILENT": "false"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RunError(f"W&B did not take it within {_PATIENCE:.0f} seconds.") from error
    lines = (result.stdout + result.stderr).strip().splitlines()
    errors = [line for line in lines if "ERROR" in line]
    if errors or not any("Finished syncing" in line for line in lines):
        raise RunError(f"wandb sync: {(errors or lines or ['it printed nothing'])[-1]}")
