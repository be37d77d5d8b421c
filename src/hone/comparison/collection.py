"""Compare runs from one sweep or from anywhere: find their differences, group them by configuration and test them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.comparison.contrast import BY_EXAMPLE, Contrast, contrasts
from hone.comparison.direction import deciding
from hone.comparison.groups import Group, Metric, grouped
from hone.comparison.keys import differing, told_apart
from hone.comparison.origin import told_by_origin
from hone.comparison.reading import read_run, run_folders, without_repeats
from hone.comparison.runs import SEED, Entry
from hone.comparison.sweep import Sweep, read_sweep
from hone.core.errors import UserError
from hone.runs.sweep_file import FILE as SWEEP


@final
@dataclass(frozen=True)
class About:
    """The source of the runs."""

    title: str
    command: str = ""
    """The command of the sweep, if the runs are a sweep."""
    sampler: str = ""
    state: str = "finished"
    started: str = ""
    seconds: float | None = None


@final
@dataclass(frozen=True)
class Comparison:
    """Everything that a table or the page shows."""

    about: About
    entries: tuple[Entry, ...]
    keys: dict[str, list[str]]
    """The keys in which the runs differ, each with the keys that only ever change along with it."""
    metric: Metric
    groups: list[Group]
    contrasts: list[Contrast]
    notes: tuple[str, ...] = ()

    @property
    def apart(self) -> list[str]:
        """The keys that distinguish configurations."""
        return [key for key in self.keys if key != SEED]


def compare(
    places: Sequence[str], metric: str | None, higher: bool | None, by_example: int, curves: bool = True
) -> Comparison:
    """Compare the runs in and below these places. A single sweep keeps its own keys and metric."""
    if len(places) == 1 and (Path(places[0]).expanduser() / SWEEP).is_file():
        return of_sweep(read_sweep(Path(places[0]).expanduser()), metric, higher, by_example)
    found = [read_run(path) for path in run_folders(places, curves)]
    entries, repeats = without_repeats(found)
    if not entries:
        raise UserError(f"{', '.join(places)}: no run has started there.")
    entries, notes = told_by_origin(entries)
    if repeats:
        which = "1 run repeats another one exactly and is" if repeats == 1 else f"{repeats} runs repeat others and are"
        notes.append(f"{which} left out.")
    keys = told_apart(entries, differing(entries))
    about = About(title=", ".join(places), command="", started=min(entry.started for entry in entries))
    return _compared(about, entries, keys, _metric(entries, metric, higher, None), by_example, notes)


def of_sweep(
    sweep: Sweep, metric: str | None = None, higher: bool | None = None, by_example: int = BY_EXAMPLE
) -> Comparison:
    """Compare by the sweep's own keys and metric. Cells that failed or have not started are included."""
    about = About(sweep.name, sweep.command, sweep.sampler, sweep.state, sweep.started, sweep.seconds)
    keys: dict[str, list[str]] = {key: [] for key in sweep.keys}
    # A sweep that has just started has no metric yet, and its page still needs one.
    evaluated = any(entry.best for entry in sweep.entries)
    usual = sweep.metric or (None if evaluated else Metric("validation/loss", higher_is_better=False))
    chosen = _metric(sweep.entries, metric, higher, usual)
    return _compared(about, sweep.entries, keys, chosen, by_example, told_by_origin(sweep.entries)[1])


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


def _metric(entries: Sequence[Entry], asked: str | None, higher: bool | None, usual: Metric | None) -> Metric:
    metric = deciding(entries, asked, usual)
    return metric if higher is None else Metric(metric.name, higher)
