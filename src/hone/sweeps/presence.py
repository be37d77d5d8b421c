"""A sign that a driver is alive, which the kernel takes down when it dies, however it dies and on whatever machine."""

from __future__ import annotations

import fcntl
import os
import secrets
import weakref
from pathlib import Path
from typing import final


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
