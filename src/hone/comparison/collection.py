"""What is compared: runs from one sweep or from anywhere, told apart, grouped, tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.comparison.contrast import Contrast, contrasts
from hone.comparison.direction import deciding
from hone.comparison.groups import Group, Metric, grouped
from hone.comparison.keys import differing, told_apart
from hone.comparison.origin import told_by_origin
from hone.comparison.reading import read_run, run_folders, without_repeats
from hone.comparison.runs import SEED, Entry
from hone.comparison.sweep import Sweep, read_sweep
from hone.errors import UserError
from hone.sweeps.saved import FILE as SWEEP


@final
@dataclass(frozen=True)
class About:
    """Where the runs come from."""

    title: str
    command: str = ""
    """Of a sweep, the one that runs it."""
    sampler: str = ""
    state: str = "finished"
    started: str = ""
    seconds: float | None = None


@final
@dataclass(frozen=True)
class Comparison:
    """Everything that a table or the page tells."""

    about: About
    entries: tuple[Entry, ...]
    keys: dict[str, list[str]]
    """What the runs differ in; behind each the keys that only ever change along with it."""
    metric: Metric
    groups: list[Group]
    contrasts: list[Contrast]
    notes: tuple[str, ...] = ()

    @property
    def apart(self) -> list[str]:
        """The keys that tell configurations apart."""
        return [key for key in self.keys if key != SEED]


def compare(
    places: Sequence[str], metric: str | None, higher: bool | None, by_example: int, curves: bool = True
) -> Comparison:
    """Of the runs in these places and below them; a single sweep is told in its own words."""
    if len(places) == 1 and (Path(places[0]).expanduser() / SWEEP).is_file():
        return of_sweep(read_sweep(Path(places[0]).expanduser(), with_config=True), metric, higher, by_example)
    found = [read_run(path) for path in run_folders(places, curves)]
    entries, repeats = without_repeats(found)
    if not entries:
        raise UserError(f"{', '.join(places)}: no run has begun there.")
    entries, notes = told_by_origin(entries)
    notes += [f"{repeats} runs repeat another one exactly and are left out."] * bool(repeats)
    keys = told_apart(entries, differing(entries))
    about = About(title=", ".join(places), command="", started=min(entry.started for entry in entries))
    return _compared(about, entries, keys, _metric(entries, metric, higher, None), by_example, notes)


def of_sweep(sweep: Sweep, metric: str | None, higher: bool | None, by_example: int) -> Comparison:
    """By the sweep's own keys and metric, cells that have not begun or failed early included."""
    about = About(sweep.name, sweep.command, sweep.sampler, sweep.state, sweep.started, sweep.seconds)
    keys: dict[str, list[str]] = {key: [] for key in sweep.keys}
    known = sweep.metric or (None if any(entry.best for entry in sweep.entries) else Metric("validation/loss", False))
    decided = _metric(sweep.entries, metric, higher, known)
    return _compared(about, sweep.entries, keys, decided, by_example, told_by_origin(sweep.entries)[1])


def _compared(
    about: About,
    entries: Sequence[Entry],
    keys: dict[str, list[str]],
    metric: Metric,
    by_example: int,
    notes: Sequence[str],
) -> Comparison:
    groups = grouped(entries, list(keys), metric)
    return Comparison(about, tuple(entries), keys, metric, groups, contrasts(groups, by_example), tuple(notes))


def _metric(entries: Sequence[Entry], asked: str | None, higher: bool | None, known: Metric | None) -> Metric:
    found = deciding(entries, asked, known)
    return found if higher is None else Metric(found.name, higher)
