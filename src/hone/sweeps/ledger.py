"""A sweep's folder: the outcomes of its runs, the lock of each driver, and the sweep's own file, `sweep.json`."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
import weakref
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from hone.core.errors import UserError
from hone.core.files import write_atomically
from hone.runs.folder import Folder
from hone.runs.reading import sealed_text
from hone.runs.record import Record, nan_to_null, now, read_record
from hone.runs.sweep_file import FORMAT_VERSION, SWEEP_FILE, CellState, Outcome
from hone.sweeps.sampler import Aim
from hone.tracking.bookkeeping import Stored


@final
class Ledger:
    """Reads and closes the records of runs, one folder per identity.

    The truth about a run is its `run.json`, so a driver can be killed at any time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run_folder(self, identity: str) -> Folder:
        return Folder(self.folder / identity)

    def outcome(self, identity: str) -> Outcome | None:
        """Return the outcome of a run, or None if it has no record that can be read: the run itself says what is wrong.

        A run whose record says that it is running, but whose folder no process holds, was interrupted.
        """
        folder = self.run_folder(identity)
        try:
            record = read_record(folder.record)
        except UserError:
            return None
        outcome = Outcome.of(record)
        if outcome.state == "running" and not folder.is_claimed():
            return Outcome("interrupted", "it was killed", outcome.value, outcome.seconds)
        return outcome

    def close(self, identity: str, outcome: Outcome) -> None:
        """Record the end of a run that could not do so itself."""
        folder = self.run_folder(identity)
        with suppress(UserError):  # a record that is missing or damaged stays as it is
            record = Record.load(folder.record)
            if record["state"] == "running" and not folder.is_claimed():
                record.update(state=outcome.state, exit_code=1, reason=outcome.reason, finished=now())

    def set_aside(self, identity: str) -> None:
        """Move the folder of a run that is to be repeated to `superseded`."""
        old = self.run_folder(identity).path
        if old.is_dir():
            aside = self.folder / "superseded"
            aside.mkdir(exist_ok=True)
            old.rename(aside / f"{identity}-{len(list(aside.glob(f'{identity}-*')))}")


@final
class DriverLock:
    """A locked file that shows that a driver is alive. Its name is the driver's name.

    Processes forked from a driver (its runs) inherit the lock, so it is free only when they have ended as well. The
    kernel releases it, however they end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".drivers"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = secrets.token_hex(6)
        descriptor = os.open(self.folder / self.name, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        weakref.finalize(self, os.close, descriptor)

    def alive(self, name: str) -> bool:
        """Whether the driver of this name, or a run that it started, still exists."""
        if name == self.name:
            return True
        try:
            descriptor = os.open(self.folder / name, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)


@final
@dataclass(frozen=True)
class SweepFile:
    """Writes `sweep.json`. The fields describe the sweep as a whole; `write` adds its cells."""

    folder: Path
    command: str
    words: tuple[str, ...]
    keys: tuple[str, ...]
    sampler: str
    aim: Aim
    tracker: Stored
    """What the tracker has stored about the run that stands for the sweep as a whole."""
    started: str = field(default_factory=now)
    begun: float = field(default_factory=time.monotonic)

    def write(self, entries: Collection[CellState], state: str) -> None:
        """Write the current state of the sweep and of its cells."""
        content = {
            "version": FORMAT_VERSION,
            "name": self.folder.name,
            "command": self.command,
            "words": list(self.words),
            "keys": list(self.keys),
            "sampler": self.sampler,
            "metric": self.aim.metric,
            "higher_is_better": self.aim.higher_is_better,
            "started": self.started,
            "seconds": round(time.monotonic() - self.begun, 2),
            "state": state,
            "tracker": self.tracker,
            "cells": [entry.to_json() for entry in sorted(entries, key=lambda entry: entry.cell.number)],
        }
        write_atomically(self.folder / SWEEP_FILE, sealed_text(nan_to_null(content)))
