"""What a person sees while a sweep goes: a live table on a terminal, a line a run anywhere else."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping
from typing import final

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hone.core.progress_bar import console
from hone.runs.sweep_file import Entry
from hone.sweeps.glimpse import glimpse
from hone.sweeps.samplers.base import Aim


class Screen(ABC):
    """Told of what the driver does."""

    @abstractmethod
    def show(self, entries: Collection[Entry], working: Mapping[str, float], total: int) -> None:
        """How all stands; `working` has the seconds of those at work."""

    @abstractmethod
    def ended(self, entry: Entry) -> None:
        """A run has come to an end."""

    @abstractmethod
    def close(self) -> None: ...


@final
class Lively(Screen):
    """A line a worker; drawn anew by the driver itself, since a thread would not survive in the runs' processes."""

    def __init__(self, aim: Aim) -> None:
        self.aim = aim
        self.begun = time.monotonic()
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.live.start()

    def show(self, entries: Collection[Entry], working: Mapping[str, float], total: int) -> None:
        table = Table.grid(padding=(0, 2))
        for entry in entries:
            if entry.identity in working:
                seen = glimpse(entry.folder, self.aim.metric)
                table.add_row(f"{working[entry.identity]:6.0f} s", entry.identity, " ".join(entry.cell.words), seen)
        self.live.update(Group(table, Text(_summary(entries, self.aim, total, self.begun))), refresh=True)

    def ended(self, entry: Entry) -> None:
        self.live.console.print(_line(entry), markup=False)

    def close(self) -> None:
        self.live.stop()


@final
class Plain(Screen):
    """A line a run."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def show(self, entries: Collection[Entry], working: Mapping[str, float], total: int) -> None:
        self.total, self.done = total, sum(entry.identity not in working for entry in entries)

    def ended(self, entry: Entry) -> None:
        print(_line(entry), file=sys.stderr, flush=True)

    def close(self) -> None: ...


def screen(aim: Aim) -> Screen:
    """The one that suits where we are."""
    return Lively(aim) if console.is_terminal else Plain()


def _line(entry: Entry) -> str:
    outcome = entry.outcome
    value = f"{outcome.value:.4f}" if outcome.value is not None else "–"
    took = f"{outcome.seconds:.1f} s" if outcome.seconds is not None else ""
    said = f"  {outcome.reason}" if outcome.reason else ""
    return f"{outcome.state:9} {value:>8} {took:>8}  {' '.join(entry.cell.words)}{said}"


def _summary(entries: Collection[Entry], aim: Aim, total: int, begun: float) -> str:
    counts = Counter(entry.state for entry in entries)
    left = total - sum(counts.values()) + counts["waiting"]
    parts = [f"{counts[state]} {state}" for state in ("finished", "running", "failed", "pruned") if counts[state]]
    parts.append(f"{left} left")
    values = [entry.outcome.value for entry in entries if entry.outcome.value is not None]
    if values:
        best = max(values) if aim.higher_is_better else min(values)
        parts.append(f"best {aim.metric} {best:.4f}")
    ended = sum(entry.here and entry.state != "running" for entry in entries)
    if ended and left >= 0:
        seconds_a_run = (time.monotonic() - begun) / ended
        still = left + counts["running"] / 2  # runs at work are half done, on average
        parts.append(f"about {_duration(seconds_a_run * still)} left")
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    """Return a duration, as exact as such a guess can be."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
