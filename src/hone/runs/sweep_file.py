"""What a sweep has on disk, `sweep.json`, and what it has in it: cells and how their runs stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError, did_you_mean
from hone.core.redact import BLANK
from hone.runs.reading import read_sealed

SWEEP_FILE = "sweep.json"
FORMAT_VERSION = 1
"""The version of the file's format."""
DONE = ("finished", "failed", "pruned", "impossible")
"""The states in which a cell is done."""


@final
@dataclass(frozen=True)
class Cell:
    """What distinguishes one run of a sweep from the others: `key=value` words in Hydra's grammar."""

    number: int
    words: tuple[str, ...]
    again: bool = False
    """Whether the cell was stopped before, and its run is to be continued."""

    @property
    def values(self) -> dict[str, str]:
        """The values of the words by their keys."""
        return {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in self.words)}


@final
@dataclass(frozen=True)
class Outcome:
    """How the run of a cell stands: the state and the reason in `run.json`, and the value that the sweep optimises."""

    state: str
    reason: str | None = None
    value: float | None = None
    seconds: float | None = None
    steps: int | None = None
    identity: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Outcome:
        """Return the outcome that a run's own record reports."""
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


@final
@dataclass
class CellState:
    """A cell with its run and its outcome, which change while the sweep goes on."""

    cell: Cell
    identity: str
    folder: Path
    outcome: Outcome
    ran_now: bool = False
    """Whether the present command ran it."""
    stale: str | None = None
    """What has changed since the run finished, if anything has."""

    @property
    def state(self) -> str:
        return self.outcome.state

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the cell in `sweep.json`."""
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


def find_sweep(folder: str) -> dict[str, Any]:
    """Return the content of a sweep's file. Raise UserError if the folder is not that of a sweep."""
    path = Path(folder).expanduser()
    content = _read(path)
    if content is not None:
        return content
    parent = path if path.is_dir() else path.parent
    files = parent.glob(f"**/{SWEEP_FILE}") if parent.is_dir() else ()
    hint = did_you_mean(path, sorted(str(file.parent) for file in files))
    raise UserError(f"{folder}: no sweep there (a sweep's folder holds {SWEEP_FILE}).{hint}")


def saved_words(folder: str) -> list[str]:
    """Return the words that a sweep was started with, after `hone train`."""
    words = [str(word) for word in find_sweep(folder).get("words") or ()]
    if not words:
        raise UserError(f"{folder}: {SWEEP_FILE} does not have the sweep's command; repeat the command yourself.")
    blank = next((word for word in words if BLANK in word), None)
    if blank is not None:
        raise UserError(f"{folder}: its command has a secret that was not stored ({blank}); repeat it yourself.")
    return words


def read_sweep_file(path: Path) -> dict[str, Any]:
    """Read the file. Raise UserError if it is damaged."""
    try:
        return read_sealed(path)
    except UserError as error:
        raise UserError(
            f"{error} Its runs are not affected: without it, the sweep's command makes it again."
        ) from error


def stored_by_tracker(folder: Path) -> dict[str, Any] | None:
    """Return what the tracker has stored about the run that represents the whole sweep."""
    return (_read(folder) or {}).get("tracker")


def _read(folder: Path) -> dict[str, Any] | None:
    """Return the content of the file, or None if it is missing."""
    path = folder / SWEEP_FILE
    if not path.exists():
        return None
    content = read_sweep_file(path)
    version = content.get("version")
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path}: written by another version of hone (its format is {version}, this one reads {FORMAT_VERSION}). "
            "The runs in its folder are not affected: choose another sweep.name, or move that file away."
        )
    return content
