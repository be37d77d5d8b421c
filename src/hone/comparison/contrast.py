"""Test the best configuration against each other one, by seeds and by examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from hone.comparison.groups import Group
from hone.comparison.runs import Entry
from hone.comparison.statistics.examples import ExampleTest, compare_examples
from hone.comparison.statistics.seeds import SeedTest, compare_seeds, holm, seeds_needed
from hone.core.contributions import Saved
from hone.runs.folder import Folder

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
        self.records: dict[tuple[str, str], Saved | None] = {}

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

    def _records(self, group: Group, seeds: Sequence[str]) -> list[Saved | None]:
        by_seed = {entry.seed: entry for entry in group.counted}
        chosen = [by_seed[seed] for seed in seeds] or [by_seed[seed] for seed in sorted(by_seed)]
        return [self._read(entry, group.metric.name) for entry in chosen]

    def _read(self, entry: Entry, metric: str) -> Saved | None:
        place = (str(entry.folder), metric)
        if place not in self.records:
            self.records[place] = _saved(entry, metric)
        return self.records[place]


def _saved(entry: Entry, metric: str) -> Saved | None:
    """The data set counts as well: rows that differ in their inputs alone are other examples."""
    if entry.folder is None:
        return None
    split, _, name = metric.partition("/")
    saved = Saved.load(Folder(entry.folder).additions / f"{split}.parquet", name)
    return saved and replace(saved, truth=f"{entry.origin.get('data')} {saved.truth}")
