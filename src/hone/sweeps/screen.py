"""What the terminal shows during a sweep: a live table, or one line per run where there is no terminal."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hone.core.errors import UserError
from hone.core.progress_bar import console
from hone.core.streams import err, write_line
from hone.runs.reading import read_object
from hone.runs.sweep_file import CellState
from hone.sweeps.sampler import Aim

_TAIL_BYTES = 4096
"""The end of a journal that is read; it holds the last rows."""


class Screen(ABC):
    """Shows what the driver reports."""

    @abstractmethod
    def show(self, entries: Collection[CellState], working: Mapping[str, float], total: int) -> None:
        """Show the current state; `working` has the seconds of the active runs, by identity."""

    @abstractmethod
    def report_end(self, entry: CellState) -> None:
        """Show that a run has ended."""

    @abstractmethod
    def close(self) -> None: ...


def make_screen(aim: Aim) -> Screen:
    """Return a live table for a terminal, and one line per run for anything else."""
    return LiveScreen(aim) if console.is_terminal else PlainScreen()


@final
class LiveScreen(Screen):
    """One line per active run. The driver itself redraws it, since a thread would not survive the fork of the runs."""

    def __init__(self, aim: Aim) -> None:
        self.aim = aim
        self.begun = time.monotonic()
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.live.start()

    def show(self, entries: Collection[CellState], working: Mapping[str, float], total: int) -> None:
        table = Table.grid(padding=(0, 2))
        for entry in entries:
            if entry.identity in working:
                progress = progress_text(entry.folder, self.aim.metric)
                table.add_row(f"{working[entry.identity]:6.0f} s", entry.identity, " ".join(entry.cell.words), progress)
        self.live.update(Group(table, Text(_summary(entries, self.aim, total, self.begun))), refresh=True)

    def report_end(self, entry: CellState) -> None:
        self.live.console.print(_ended_line(entry))

    def close(self) -> None:
        self.live.stop()


@final
class PlainScreen(Screen):
    """One line per run that has ended."""

    def show(self, entries: Collection[CellState], working: Mapping[str, float], total: int) -> None:
        """A log has no line that could be redrawn."""

    def report_end(self, entry: CellState) -> None:
        write_line(_ended_line(entry), err)

    def close(self) -> None: ...


def progress_text(folder: Path, metric: str) -> str:
    """Return `step 40/50  0.7312`, with the last value of the metric, as far as the run has recorded these."""
    rows = _last_rows(folder / "metrics.jsonl")
    if not rows:
        return ""
    with suppress(UserError):
        steps = read_object(folder / "run.json").get("steps")
        values = [row[metric] for row in rows if isinstance(row.get(metric), float)]
        return f"step {rows[-1]['step']}/{steps}" + "".join(f"  {value:.4f}" for value in values[-1:])
    return ""


def _last_rows(path: Path) -> list[dict[str, Any]]:
    """Return the last whole rows: the first may be cut off by the seek, and the last may still be being written."""
    rows = []
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        for line in file.read().decode(errors="replace").splitlines():
            with suppress(ValueError):
                rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict) and "step" in row]


def _ended_line(entry: CellState) -> str:
    outcome = entry.outcome
    value = f"{outcome.value:.4f}" if outcome.value is not None else "–"
    seconds = f"{outcome.seconds:.1f} s" if outcome.seconds is not None else ""
    reason = f"  {outcome.reason}" if outcome.reason else ""
    return f"{outcome.state:9} {value:>8} {seconds:>8}  {' '.join(entry.cell.words)}{reason}"


def _summary(entries: Collection[CellState], aim: Aim, total: int, begun: float) -> str:
    """Return the last line of the live table: runs by state, the best value, and the time left."""
    counts = Counter(entry.state for entry in entries)
    left = total - sum(counts.values()) + counts["waiting"]
    parts = [f"{counts[state]} {state}" for state in ("finished", "running", "failed", "pruned") if counts[state]]
    parts.append(f"{left} left")
    values = [entry.outcome.value for entry in entries if entry.outcome.value is not None]
    if values:
        best = max(values) if aim.higher_is_better else min(values)
        parts.append(f"best {aim.metric} {best:.4f}")
    ended = sum(entry.ran_now and entry.state != "running" for entry in entries)
    if ended and left >= 0:
        seconds_per_run = (time.monotonic() - begun) / ended
        runs_left = left + counts["running"] / 2  # active runs are half done, on average
        parts.append(f"about {_duration(seconds_per_run * runs_left)} left")
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    """Return a duration with the precision of an estimate."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
