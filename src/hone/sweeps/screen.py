"""What a person sees while a sweep goes: a live table on a terminal, a line a run anywhere else."""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hone.core.paths import relative_to_cwd
from hone.core.progress_bar import console
from hone.reports.comparison import Comparison
from hone.reports.failures import Failure, failures
from hone.reports.page import PAGE
from hone.reports.tables import show
from hone.runs.sweep_file import CellState
from hone.sweeps.sampler import Aim

_END = 4096
"""Bytes of a journal that hold its last rows."""


def glimpse(folder: Path, metric: str) -> str:
    """`step 40/50  0.7312`, with the last value of the metric; as much of that as is known yet."""
    rows = _last_rows(folder / "metrics.jsonl")
    if not rows:
        return ""
    with suppress(OSError, ValueError):
        steps = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("steps")
        values = [row[metric] for row in rows if isinstance(row.get(metric), float)]
        return f"step {rows[-1]['step']}/{steps}" + "".join(f"  {value:.4f}" for value in values[-1:])
    return ""


def _last_rows(path: Path) -> list[dict[str, Any]]:
    """Whole ones: the first of them may be cut off by where we begin, the last by where its run has come to."""
    rows = []
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END))
        for line in file.read().decode(errors="replace").splitlines():
            with suppress(ValueError):
                rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict) and "step" in row]


class Screen(ABC):
    """Told of what the driver does."""

    @abstractmethod
    def show(self, entries: Collection[CellState], working: Mapping[str, float], total: int) -> None:
        """How all stands; `working` has the seconds of those at work."""

    @abstractmethod
    def ended(self, entry: CellState) -> None:
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

    def show(self, entries: Collection[CellState], working: Mapping[str, float], total: int) -> None:
        table = Table.grid(padding=(0, 2))
        for entry in entries:
            if entry.identity in working:
                seen = glimpse(entry.folder, self.aim.metric)
                table.add_row(f"{working[entry.identity]:6.0f} s", entry.identity, " ".join(entry.cell.words), seen)
        self.live.update(Group(table, Text(_summary(entries, self.aim, total, self.begun))), refresh=True)

    def ended(self, entry: CellState) -> None:
        self.live.console.print(_line(entry), markup=False)

    def close(self) -> None:
        self.live.stop()


@final
class Plain(Screen):
    """A line a run."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def show(self, entries: Collection[CellState], working: Mapping[str, float], total: int) -> None:
        self.total, self.done = total, sum(entry.identity not in working for entry in entries)

    def ended(self, entry: CellState) -> None:
        print(_line(entry), file=sys.stderr, flush=True)

    def close(self) -> None: ...


def screen(aim: Aim) -> Screen:
    """The one that suits where we are."""
    return Lively(aim) if console.is_terminal else Plain()


def _line(entry: CellState) -> str:
    outcome = entry.outcome
    value = f"{outcome.value:.4f}" if outcome.value is not None else "–"
    took = f"{outcome.seconds:.1f} s" if outcome.seconds is not None else ""
    said = f"  {outcome.reason}" if outcome.reason else ""
    return f"{outcome.state:9} {value:>8} {took:>8}  {' '.join(entry.cell.words)}{said}"


def _summary(entries: Collection[CellState], aim: Aim, total: int, begun: float) -> str:
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
        seconds_a_run = (time.monotonic() - begun) / ended
        still = left + counts["running"] / 2  # runs at work are half done, on average
        parts.append(f"about {_duration(seconds_a_run * still)} left")
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    """Return a duration, as exact as such a guess can be."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


_MOST = 5


def final_screen(told: Comparison, folder: Path, test: Mapping[str, float], said: Mapping[str, str]) -> None:
    """The comparison, the failures by cause, and a few lines."""
    console = Console(highlight=False, soft_wrap=True)
    show(told)
    for failure in failures(told.entries):
        if failure.state != "pruned":
            _show(console, failure)
    if test:
        values = "  ".join(f"{name} {value:.4f}" for name, value in test.items())
        console.print(f"[bold]{'chosen':10}[/bold]  {escape(told.groups[0].label)}")
        console.print(f"{'':10}  {values}, the first look at the test split")
    lines = {"folder": relative_to_cwd(folder), "report": f"{relative_to_cwd(folder)}/{PAGE}", **said}
    for name, line in lines.items():
        console.print(f"[bold]{name:10}[/bold]  {escape(line)}")


def _show(console: Console, failure: Failure) -> None:
    console.print(f"[bold red]{failure.state:10}[/bold red]  {escape(failure.cause)}")
    for entry in failure.entries[:_MOST]:
        where = f"  {relative_to_cwd(entry.folder)}" if entry.folder else ""
        console.print(f"{'':10}  {escape(' '.join(entry.words))}{where}")
    if len(failure.entries) > _MOST:
        console.print(f"{'':10}  and {len(failure.entries) - _MOST} more")
