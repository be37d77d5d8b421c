"""A sweep's own file, and the words that it was begun with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError, did_you_mean
from hone.core.redact import BLANK

SWEEP_FILE = "sweep.json"
FORMAT_VERSION = 1
"""Of the form of that file."""


def find_sweep(folder: str) -> dict[str, Any]:
    """What a sweep's folder says of it."""
    path = Path(folder).expanduser()
    told = _read(path)
    if told is not None:
        return told
    parent = path if path.is_dir() else path.parent
    others = sorted(str(each.parent) for each in parent.glob(f"**/{SWEEP_FILE}")) if parent.is_dir() else []
    raise UserError(f"{folder}: no sweep there (a sweep's folder holds {SWEEP_FILE}).{did_you_mean(path, others)}")


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is nothing that can be read."""
    try:
        told = json.loads((path / SWEEP_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict):
        return None
    if told.get("version") != FORMAT_VERSION:
        raise UserError(
            f"{path / SWEEP_FILE}: written by another version of hone (form {told.get('version')}, here {FORMAT_VERSION}). "
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


@final
@dataclass(frozen=True)
class Cell:
    """What distinguishes one run of a sweep from the others: `key=value` words, in Hydra's grammar."""

    number: int
    words: tuple[str, ...]
    again: bool = False
    """Asked for once more: its run was stopped, and is to go on."""

    @property
    def values(self) -> dict[str, str]:
        """The words by their keys."""
        return {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in self.words)}


@final
@dataclass(frozen=True)
class Outcome:
    """How the run of a cell stands: the state that `run.json` has, its reason, and the number that is optimised."""

    state: str
    reason: str | None = None
    value: float | None = None
    seconds: float | None = None
    steps: int | None = None
    identity: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Outcome:
        """What a run says of itself."""
        best = record.get("best") or {}
        return cls(
            record["state"],
            record.get("reason"),
            best.get("value"),
            record.get("seconds"),
            record.get("steps"),
            record.get("identity"),
            record.get("scores") or {},
        )


DONE = ("finished", "failed", "pruned", "impossible")


@final
@dataclass
class CellState:
    """Changes while the sweep goes on."""

    cell: Cell
    identity: str
    folder: Path
    outcome: Outcome
    here: bool = False
    """Whether this very command ran it."""
    stale: str | None = None
    """What has changed since it was finished."""

    @property
    def state(self) -> str:
        return self.outcome.state

    def to_json(self) -> dict[str, Any]:
        """For `sweep.json`."""
        return {
            "identity": self.identity,
            "number": self.cell.number,
            "words": list(self.cell.words),
            "values": self.cell.values,
            "state": self.state,
            "reason": self.outcome.reason,
            "value": self.outcome.value,
            "seconds": self.outcome.seconds,
            "folder": str(self.folder),
        }
