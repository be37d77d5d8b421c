"""A run's folder: the names of its files, the lock that admits one process, and how a folder is made or found again."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, final

from hone.core.errors import UserError, damaged
from hone.core.files import make_folder, remove_drafts, sync
from hone.core.paths import relative_to_cwd
from hone.runs.record import read_record

_ATTEMPTS = 10
"""How often a process tries to get the lock."""


@final
@dataclass(frozen=True)
class Folder:
    """The names of a run's files."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def facts(self) -> Path:
        return self.path / "facts.json"

    @property
    def journal(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def exhibits(self) -> Path:
        return self.path / "exhibits.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def diff(self) -> Path:
        return self.path / "git.diff"

    @property
    def snapshots(self) -> Path:
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @property
    def plots(self) -> Path:
        """Pictures and sounds of the examples that the tracker shows."""
        return self.path / "plots"

    @property
    def contributions(self) -> Path:
        """What each record contributes to each metric, for `hone compare`."""
        return self.path / "contributions"

    @property
    def model(self) -> Path:
        return self.path / "model"

    def candidate(self, step: int) -> Folder:
        """Return the folder for the model that was the best at a step, for a tracker that keeps every best model."""
        return Folder(self.path / "artifact" / f"step-{step:08d}")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Lock the folder, so that no other process runs here. The kernel releases the lock if this process dies."""
        with (self.path / ".lock").open("w") as lock:
            if not _locked(lock):
                raise UserError(f"{self.path}: another process is running this run.")
            yield

    def remove_drafts(self) -> None:
        """Remove what killed processes had begun to write. While the folder is claimed, no other process writes here
        for longer than a moment."""
        for place in (self.path, self.snapshots, self.predictions, self.contributions, *self.path.glob("artifact/*")):
            remove_drafts(place)

    def is_claimed(self) -> bool:
        """Return whether a process is running this run."""
        try:
            with (self.path / ".lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False


def cell_folder(path: Path) -> Folder:
    """Make the folder of one cell of a sweep, unless it exists. Its name is the identity of the run."""
    try:
        make_folder(path)
    except OSError as error:
        raise UserError(f"{path}: cannot make the run's folder: {error.strerror}.") from error
    return Folder(path.resolve())


def new_folder(root: Path, name: str, identity: str) -> Folder:
    """Make a folder that no other run has, even one that starts in the same second."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    parent = root / name
    for suffix in ("", *(f"-{secrets.token_hex(2)}" for _ in range(100))):
        path = parent / f"{stamp}-{identity}{suffix}"
        try:
            make_folder(parent)
            path.mkdir()
            sync(parent)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"output_root={root}: cannot make the run's folder: {error.strerror} ({path}).") from error
        return Folder(path.resolve())
    raise UserError(f"{parent}: cannot find a free name for the run's folder.")


def newest_run(root: Path, name: str, identity: str) -> Folder | None:
    """Return the newest run with this identity, finished or not, or None. Raise UserError if its record is damaged: a
    new run in its place would do all of its work again."""
    candidates = sorted((root / name).glob(f"*-{identity}*"), reverse=True)
    return next((Folder(path.resolve()) for path in candidates if is_run(path / "run.json")), None)


def runs_below(path: Path) -> Iterator[Path]:
    """Yield the run folders in a folder, depth first and by name, without entering them. A run that has lost its
    `run.json` is still one."""
    for folder, inner, files in os.walk(path, followlinks=True):
        if "run.json" in files or ("config.yaml" in files and {"checkpoints", "model", "run.json"} & {*inner}):
            inner.clear()
            yield Path(folder)
        inner.sort()


def require_writable(root: Path) -> None:
    """Raise UserError, before any work is done, if runs cannot be stored here."""
    try:
        existing = next(_existing(root))
    except OSError as error:
        raise UserError(f"output_root={root}: {error.strerror}.") from error
    if not existing.is_dir():
        raise UserError(f"output_root={root}: {existing} is a file, not a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"output_root={root}: {existing} is not writable.")


def _locked(file: IO[str]) -> bool:
    """Try to lock the file, several times: another process may hold it for the moment of an `is_claimed`."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _existing(path: Path) -> Iterator[Path]:
    """Yield the path and its parents that exist, the innermost first."""
    absolute = path.expanduser().absolute()
    return (place for place in (absolute, *absolute.parents) if place.exists())


def is_run(path: Path) -> bool:
    """Return whether there is a run with this `run.json`. Raise UserError if the file is damaged, or gone from a run
    that has checkpoints."""
    try:
        if path.exists():
            read_record(path)
            return True
        if any(path.with_name("checkpoints").glob("step-*")):
            raise damaged(relative_to_cwd(path), "there is no such file beside the run's checkpoints")
    except UserError as error:
        raise UserError(f"{error} To begin a new run in its place, move the run's folder away.") from error
    return False
