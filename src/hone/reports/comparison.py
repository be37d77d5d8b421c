"""Compare runs from one sweep or from anywhere: find their differences, group them by configuration and test them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from hone.core.contributions import SavedContributions
from hone.core.errors import UserError
from hone.reports.groups import Group, Metric, deciding, grouped
from hone.reports.keys import differing, told_apart
from hone.reports.resampling import ExampleTest, compare_examples
from hone.reports.runs import SEED, Entry, read_run, run_folders, told_by_origin, without_repeats
from hone.reports.significance import SeedTest, compare_seeds, holm, seeds_needed
from hone.reports.sweep import Sweep, read_sweep
from hone.runs.folder import Folder
from hone.runs.sweep_file import SWEEP_FILE as SWEEP

LEVEL = 0.05
BY_EXAMPLE = 20
"""The default number of rivals that are also tested by examples, for every screen and page of a finished sweep."""


@final
@dataclass(frozen=True)
class Contrast:
    """The comparison of a configuration with the best one. Its p-values are corrected for the number of questions."""

    group: Group
    seeds: SeedTest
    examples: ExampleTest | None
    p_seeds: float | None
    p_examples: float | None
    asked: int
    """The number of pairs that could have been the question."""

    @property
    def needed(self) -> int | None:
        """How many seeds each would show a true difference of this size, for any of the pairs."""
        return seeds_needed(self.seeds.difference, self.seeds.spread, LEVEL / self.asked)

    @property
    def beaten(self) -> bool:
        """Whether the best one is better beyond the noise of the seeds."""
        return self.p_seeds is not None and self.p_seeds < LEVEL


def contrasts(groups: Sequence[Group], by_example: int) -> list[Contrast]:
    """Test in the order of the groups. Only the nearest `by_example` rivals are tested by examples, since reading the
    records takes time."""
    ranked = [group for group in groups if group.counted]
    if len(ranked) < 2:
        return []
    best, *others = ranked
    seeds = [compare_seeds(best.seeds, other.seeds) for other in others]
    reading = Reading()
    examples = [reading.compare(best, other) if rank < by_example else None for rank, other in enumerate(others)]
    asked = len(ranked) * (len(ranked) - 1) // 2  # the best one was not known in advance: it could have been any pair
    p_seeds = holm([test.p for test in seeds], asked)
    p_examples = holm([test.p if test else None for test in examples], asked)
    return [
        Contrast(*parts)
        for parts in zip(others, seeds, examples, p_seeds, p_examples, [asked] * len(others), strict=True)
    ]


@final
class Reading:
    """A reader that reads the records of each run only once."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], SavedContributions | None] = {}

    def compare(self, best: Group, other: Group) -> ExampleTest | None:
        """Pair the runs by their common seeds, or in order if they have none. None means that the examples differ."""
        common = [seed for seed in best.seeds if seed in other.seeds]
        sides = [self._records(group, common) for group in (best, other)]
        pairs = list(zip(*sides, strict=False))
        ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
        measured = [each for each in (*ours, *theirs) if each is not None]
        if len(measured) < 2 * len(pairs) or not all(measured[0].same_examples(each) for each in measured):
            return None
        return compare_examples(
            [each.measure for each in measured[: len(pairs)]],
            [each.measure for each in measured[len(pairs) :]],
            best.metric.higher_is_better,
        )

    def _records(self, group: Group, seeds: Sequence[str]) -> list[SavedContributions | None]:
        by_seed = {entry.seed: entry for entry in group.counted}
        chosen = [by_seed[seed] for seed in seeds] or [by_seed[seed] for seed in sorted(by_seed)]
        return [self._read(entry, group.metric.name) for entry in chosen]

    def _read(self, entry: Entry, metric: str) -> SavedContributions | None:
        place = (str(entry.folder), metric)
        if place not in self.records:
            self.records[place] = _saved(entry, metric)
        return self.records[place]


def _saved(entry: Entry, metric: str) -> SavedContributions | None:
    """The data set counts as well: rows that differ in their inputs alone are other examples."""
    if entry.folder is None:
        return None
    split, _, name = metric.partition("/")
    saved = SavedContributions.load(Folder(entry.folder).contributions / f"{split}.parquet", name)
    return saved and replace(saved, truth=f"{entry.origin.get('data')} {saved.truth}")


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
