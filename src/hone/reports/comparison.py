"""Compare runs of one sweep, or runs from anywhere: find their differences, group them by configuration, and test every
configuration against the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from hone.core.contributions import SavedContributions
from hone.core.errors import UserError
from hone.reports.groups import RankingMetric, RunGroup, choose_metric, group_runs
from hone.reports.keys import differing_keys, distinguishing_keys
from hone.reports.resampling import ExampleTest, compare_examples
from hone.reports.runs import SEED, RunEntry, drop_repeats, problem_of, read_run, run_folders, separate_by_origin
from hone.reports.significance import SeedTest, compare_seeds, correct_by_holm, seeds_needed
from hone.reports.sweep import StoredSweep, read_sweep
from hone.runs.folder import Folder
from hone.runs.sweep_file import SWEEP_FILE as SWEEP

LEVEL = 0.05
_DISPENSABLE = {
    "contributions": "So that run is not compared by examples.",
    "metrics.jsonl": "So its curves may be wrong.",
    "git.diff": "So its code may seem to differ from that of other runs.",
}
BY_EXAMPLE = 20
"""The default number of rivals that are also tested by examples, for every screen and page of a finished sweep."""


@final
@dataclass(frozen=True)
class About:
    """What the head of a table or a page says about the compared runs."""

    title: str
    command: str = ""
    """The command of the sweep, if the runs belong to one."""
    sampler: str = ""
    state: str = "finished"
    started: str = ""
    seconds: float | None = None


@final
@dataclass(frozen=True)
class Contrast:
    """The comparison of a configuration with the best one. Its p-values are corrected for the number of pairs."""

    group: RunGroup
    seeds: SeedTest
    examples: ExampleTest | None
    p_seeds: float | None
    p_examples: float | None
    pairs: int
    """The number of pairs of configurations, any of which could have been the one that is compared."""

    @property
    def needed(self) -> int | None:
        """The number of seeds per configuration that would show a true difference of this size, in any of the pairs."""
        return seeds_needed(self.seeds.difference, self.seeds.spread, LEVEL / self.pairs)

    @property
    def beaten(self) -> bool:
        """Whether the best configuration is better beyond the noise of the seeds."""
        return self.p_seeds is not None and self.p_seeds < LEVEL


@final
@dataclass(frozen=True)
class Comparison:
    """Everything that a table or a page shows."""

    about: About
    entries: tuple[RunEntry, ...]
    keys: dict[str, list[str]]
    """The keys in which the runs differ, each with the keys that always change along with it."""
    metric: RankingMetric
    groups: list[RunGroup]
    contrasts: list[Contrast]
    notes: tuple[str, ...] = ()

    @property
    def configuration_keys(self) -> list[str]:
        """The keys that distinguish configurations: all but the seed."""
        return [key for key in self.keys if key != SEED]


def compare(
    places: Sequence[str], metric: str | None, higher: bool | None, by_example: int, curves: bool = True
) -> Comparison:
    """Compare the runs in and below these places. A single sweep keeps its own keys and metric."""
    if len(places) == 1 and (Path(places[0]).expanduser() / SWEEP).exists():
        return compare_sweep(read_sweep(Path(places[0]).expanduser()), metric, higher, by_example)
    entries, repeats = drop_repeats(read_run(path) for path in run_folders(places, curves))
    if not entries:
        raise UserError(f"{', '.join(places)}: no run has started there.")
    entries, notes = separate_by_origin(entries)
    if repeats:
        subject = (
            "1 run repeats another one exactly and is" if repeats == 1 else f"{repeats} runs repeat others and are"
        )
        notes.append(f"{subject} left out.")
    keys = distinguishing_keys(entries, differing_keys(entries))
    about = About(title=", ".join(places), started=min(entry.started for entry in entries))
    return _make_comparison(about, entries, keys, choose_metric(entries, metric, higher), by_example, notes)


def compare_sweep(
    sweep: StoredSweep, metric: str | None = None, higher: bool | None = None, by_example: int = BY_EXAMPLE
) -> Comparison:
    """Compare by the sweep's own keys and metric. Cells that failed or have not started are included."""
    about = About(sweep.name, sweep.command, sweep.sampler, sweep.state, sweep.started, sweep.seconds)
    keys: dict[str, list[str]] = {key: [] for key in sweep.keys}
    # A sweep that has just started has no metric yet, and its page still needs one.
    evaluated = any(entry.best for entry in sweep.entries)
    default = sweep.metric or (None if evaluated else RankingMetric("validation/loss", higher_is_better=False))
    ranking = choose_metric(sweep.entries, metric, higher, default)
    notes = [*sweep.damage, *separate_by_origin(sweep.entries)[1]]
    return _make_comparison(about, sweep.entries, keys, ranking, by_example, notes)


def _make_comparison(
    about: About,
    entries: Sequence[RunEntry],
    keys: dict[str, list[str]],
    metric: RankingMetric,
    by_example: int,
    notes: Sequence[str],
) -> Comparison:
    groups, notes = group_runs(entries, list(keys), metric), (*notes, *_damage(entries))
    return Comparison(about, tuple(entries), keys, metric, groups, compare_with_best(groups, by_example), notes)


def _damage(entries: Sequence[RunEntry]) -> list[str]:
    """Name the damaged files that a comparison can do without."""
    places = [(entry.folder, place) for entry in entries if entry.folder for place in _DISPENSABLE]
    problems = [(problem_of(folder, place), place) for folder, place in places]
    return [f"{problem} {_DISPENSABLE[place]}" for problem, place in problems if problem]


def compare_with_best(groups: Sequence[RunGroup], by_example: int) -> list[Contrast]:
    """Test every configuration against the best one, in the order of the groups.

    Only the nearest `by_example` rivals are tested by examples, since reading the records takes time.
    """
    ranked = [group for group in groups if group.counted]
    if len(ranked) < 2:
        return []
    best, *others = ranked
    by_seeds = [compare_seeds(best.seeds, other.seeds) for other in others]
    reader = ContributionReader()
    by_examples = [reader.compare(best, other) if rank < by_example else None for rank, other in enumerate(others)]
    pairs = len(ranked) * (len(ranked) - 1) // 2  # the best one was not chosen in advance
    p_seeds = correct_by_holm([test.p for test in by_seeds], pairs)
    p_examples = correct_by_holm([test.p if test else None for test in by_examples], pairs)
    return [Contrast(*fields, pairs) for fields in zip(others, by_seeds, by_examples, p_seeds, p_examples, strict=True)]


@final
class ContributionReader:
    """Reads what each example contributed to a run's score, once per run, and compares two configurations by it."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], SavedContributions | None] = {}

    def compare(self, best: RunGroup, other: RunGroup) -> ExampleTest | None:
        """Pair the runs by their common seeds, or in order if they have none. Return None if the examples differ."""
        common = [seed for seed in best.seeds if seed in other.seeds]
        pairs = list(zip(self._records(best, common), self._records(other, common), strict=False))
        ours = [pair[0] for pair in pairs if pair[0] is not None]
        theirs = [pair[1] for pair in pairs if pair[1] is not None]
        if len(ours) + len(theirs) < 2 * len(pairs):
            return None
        if not all(ours[0].same_examples(saved) for saved in (*ours, *theirs)):
            return None
        return compare_examples(
            [saved.measure for saved in ours],
            [saved.measure for saved in theirs],
            best.metric.higher_is_better,
        )

    def _records(self, group: RunGroup, seeds: Sequence[str]) -> list[SavedContributions | None]:
        by_seed = {entry.seed: entry for entry in group.counted}
        chosen = [by_seed[seed] for seed in seeds] or [by_seed[seed] for seed in sorted(by_seed)]
        return [self._read(entry, group.metric.name) for entry in chosen]

    def _read(self, entry: RunEntry, metric: str) -> SavedContributions | None:
        key = (str(entry.folder), metric)
        if key not in self.records:
            self.records[key] = _load_contributions(entry, metric)
        return self.records[key]


def _load_contributions(entry: RunEntry, metric: str) -> SavedContributions | None:
    """Load a run's contributions. The data set becomes part of `truth`, which identifies the examples: rows with the
    same labels but other inputs are other examples."""
    if entry.folder is None:
        return None
    split, _, name = metric.partition("/")
    if problem_of(entry.folder, f"contributions/{split}.parquet"):
        return None
    saved = SavedContributions.load(Folder(entry.folder).contributions / f"{split}.parquet", name)
    return saved and replace(saved, truth=f"{entry.origin.get('data')} {saved.truth}")
