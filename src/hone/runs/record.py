"""`run.json`, the machine-readable record of a run. It has the same keys in every state and is never half-written.

Its last key, `sha256`, is a seal: the digest of the other keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError, damaged, did_you_mean
from hone.core.files import write_atomically
from hone.core.paths import relative_to_cwd
from hone.runs.address import ModelAddress, is_address
from hone.runs.reading import read_sealed, sealed_text

_KEYS = (
    "id", "identity", "name", "group", "state", "exit_code", "reason", "started", "finished", "seconds", "command",
    "overrides", "choices", "folder", "git", "versions", "hardware", "data", "checkpoint", "parameters", "precision",
    "steps", "skipped_steps", "retries", "left_out_rows", "best", "scores", "baseline", "lower_is_better", "signatures",
    "tracker",
)  # fmt: skip
_KINDS: dict[str, type] = {
    "state": str, "command": str, "overrides": list, "choices": dict, "git": dict, "versions": dict, "data": dict,
    "checkpoint": dict, "parameters": dict, "best": dict, "scores": dict, "baseline": dict, "tracker": dict,
}  # fmt: skip
"""The types of some keys, for records that have no seal. Each but the state may be null."""


@final
class Record:
    """A dictionary on disk. Every change replaces the file as a whole."""

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        self.path = path
        self.values = dict.fromkeys(_KEYS) | values

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read a record. Raise UserError if it is damaged."""
        return cls(path, read_record(path))

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def update(self, **changes: Any) -> None:
        """Set some keys and write the file."""
        for key in changes:
            if key not in _KEYS:
                raise KeyError(key)
        self.values |= changes
        write_atomically(self.path, sealed_text(nan_to_null(self.values)))


def read_record(path: Path) -> dict[str, Any]:
    """Return the content of a record, as far as it has any. Raise UserError if it is damaged."""
    values = read_sealed(path, _KEYS)
    if not values.get("state"):
        raise damaged(relative_to_cwd(path), "it has no state")
    for key, kind in _KINDS.items():
        if not isinstance(values.get(key), kind | None):
            raise damaged(relative_to_cwd(path), f"{key} is not what a run has there")
    return values


def now() -> str:
    """Return the present time in UTC, as records store it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def find_run(folder: str) -> Path:
    """Return the absolute path of a run's folder. Raise UserError if there is no run."""
    path = Path(folder).expanduser()
    if (path / "run.json").is_file():
        return path.resolve()
    if (path / "config.yaml").exists() or (path / "run.json").exists():
        raise damaged(path / "run.json", "there is no such file beside the run's other files")
    parent = path if path.is_dir() else path.parent
    runs = sorted((entry.parent for entry in parent.glob("**/run.json")), key=str) if parent.is_dir() else []
    hint = did_you_mean(path, runs) or (f" The newest below {parent} is {runs[-1]}." if runs else "")
    raise UserError(f"{folder}: no run there (a run's folder holds run.json).{hint}")


def require_run(place: str) -> None:
    """Raise UserError unless the place is a folder with a run, or the address of a model in W&B. Nothing is downloaded
    here: a config is checked without a server, and the command downloads the model when it loads it."""
    if is_address(place):
        ModelAddress.read(place)
    else:
        find_run(place)


def saved_overrides(folder: str) -> list[str]:
    """Return the overrides of a run's command, except those which only the user may give, each time."""
    if is_address(folder):
        raise UserError(
            f"resume={folder}: a run can only be resumed from its own folder; W&B has its model, not its checkpoints."
        )
    record = Record.load(find_run(folder) / "run.json")
    words = record["overrides"] or []
    return [word for word in words if word.lstrip("+~").partition("=")[0] not in ("trust", "resume", "verify")]


def nan_to_null(value: Any) -> Any:
    """Return the value with null for every NaN and infinity, which JSON cannot represent."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: nan_to_null(item) for key, item in value.items()}
    return [nan_to_null(item) for item in value] if isinstance(value, list | tuple) else value


def scores_of_split(scores: Mapping[str, float], split: str) -> dict[str, float]:
    """Return the scores of one split, under their names without the split."""
    return {name.removeprefix(f"{split}/"): value for name, value in scores.items() if name.startswith(f"{split}/")}
