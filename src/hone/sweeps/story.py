"""`sweep.json`: a sweep for readers, written as it goes."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from hone.runs.record import now, write_atomically
from hone.runs.sweep_file import FILE, VERSION, Entry
from hone.sweeps.samplers.base import Aim
from hone.tracking.bookkeeping import Stored


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

    def write(self, entries: Collection[Entry], state: str) -> None:
        """How all stands now."""
        told = {
            "version": VERSION,
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
            "cells": [entry.story() for entry in sorted(entries, key=lambda entry: entry.cell.number)],
        }
        write_atomically(self.folder / FILE, json.dumps(told, indent=2, ensure_ascii=False) + "\n")
