"""What is known of the cells of a sweep: the runs' own records, one folder an identity."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
import weakref
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from hone.runs.folder import Folder
from hone.runs.record import Record, now, write_atomically
from hone.runs.sweep_file import FORMAT_VERSION, SWEEP_FILE, CellState, Outcome
from hone.sweeps.sampler import Aim
from hone.tracking.bookkeeping import Stored


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


@final
class Presence:
    """A locked file; its name is the driver's. Processes forked from a driver (its runs) hold the lock with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".drivers"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = secrets.token_hex(6)
        descriptor = os.open(self.folder / self.name, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        weakref.finalize(self, os.close, descriptor)

    def alive(self, name: str) -> bool:
        """Whether this driver, or a run that it started, is there."""
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
class Story:
    """What there is to tell of a sweep but its cells."""

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
        """How all stands now."""
        told = {
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
        write_atomically(self.folder / SWEEP_FILE, json.dumps(told, indent=2, ensure_ascii=False) + "\n")
