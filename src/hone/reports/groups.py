"""Groups of runs that differ in nothing but their seed, ranked by a metric."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from hone.core.errors import UserError, did_you_mean, join_names
from hone.reports.keys import label_of, value_of, values_of
from hone.reports.runs import SEED, RunEntry
from hone.reports.significance import Summary


@final
@dataclass(frozen=True)
class RankingMetric:
    """The score by which runs are ranked, and its direction."""

    name: str
    higher_is_better: bool


@final
@dataclass(frozen=True)
class RunGroup:
    """A configuration: the runs that share everything but the seed."""

    values: dict[str, str]
    """The values of the keys that distinguish it from the other configurations."""
    entries: tuple[RunEntry, ...]
    metric: RankingMetric

    @property
    def label(self) -> str:
        return label_of(self.values)

    @cached_property
    def counted(self) -> tuple[RunEntry, ...]:
        """The finished runs that have the score."""
        return tuple(entry for entry in self.entries if entry.counts and not math.isnan(entry.value(self.metric.name)))

    @cached_property
    def summary(self) -> Summary:
        return self.summarize(self.metric)

    def summarize(self, metric: RankingMetric) -> Summary:
        """Summarize any score of the same runs, leaving out runs that lack it."""
        values = (entry.value(metric.name) for entry in self.counted)
        return Summary(tuple(value for value in values if not math.isnan(value)), metric.higher_is_better)

    @property
    def seeds(self) -> dict[str, float]:
        """The score of each seed."""
        return {entry.seed: entry.value(self.metric.name) for entry in self.counted}


def group_runs(entries: Sequence[RunEntry], keys: Sequence[str], metric: RankingMetric) -> list[RunGroup]:
    """Group runs by the values of these keys, seed aside. The best mean comes first; groups without a score come
    last."""
    names = [key for key in keys if key != SEED]
    by_values: dict[tuple[str, ...], list[RunEntry]] = {}
    for entry in entries:
        by_values.setdefault(tuple(value_of(entry, key) for key in names), []).append(entry)
    groups = [RunGroup(values_of(members[0], names), tuple(members), metric) for members in by_values.values()]
    return sorted(groups, key=_rank)


def _rank(group: RunGroup) -> tuple[bool, float]:
    """Sort key: NaN does not sort, so it gets a rank of its own."""
    mean = group.summary.mean
    if math.isnan(mean):
        return True, 0.0
    return False, -mean if group.metric.higher_is_better else mean


def choose_metric(
    entries: Sequence[RunEntry],
    asked: str | None,
    higher_is_better: bool | None,
    default: RankingMetric | None = None,
) -> RankingMetric:
    """Choose the metric that ranks the runs: the one asked for, or the default, or the one that chose the weights of
    most runs. The runs know its direction unless `higher_is_better` overrides it."""
    if asked is None and default is not None:
        metric = default
    else:
        name = _full_name(asked, entries) if asked else _monitored(entries)
        metric = RankingMetric(name, not _is_lower_better(name, entries))
    return metric if higher_is_better is None else RankingMetric(metric.name, higher_is_better)


def _monitored(entries: Sequence[RunEntry]) -> str:
    """Find the score by which most runs chose their weights."""
    counts = Counter(str(entry.best["metric"]) for entry in entries if entry.best.get("metric"))
    if not counts:
        raise UserError(
            f"metric: none of these {len(entries)} runs has been evaluated, so none says by which score it chose its "
            "weights; say metric=validation/… if they have scores."
        )
    return counts.most_common(1)[0][0]


def _full_name(asked: str, entries: Sequence[RunEntry]) -> str:
    """Complete `f1_macro` to `validation/f1_macro` if the runs have that score. Runs without any scores accept every
    name."""
    scores = list(dict.fromkeys(score for entry in entries for score in entry.scores))
    if asked in scores or not scores:
        return asked
    if f"validation/{asked}" in scores:
        return f"validation/{asked}"
    overall = [score for score in scores if score.count("/") == 1]  # without the scores of single classes
    bare = dict.fromkeys(score.partition("/")[2] for score in overall)
    raise UserError(
        f"metric={asked}: no run has it.{did_you_mean(asked, [*scores, *bare])} Available: {join_names(overall)}."
    )


def _is_lower_better(name: str, entries: Sequence[RunEntry]) -> bool:
    """Decide by the majority of the runs that have the score. `validation/f1/joy` has the direction of f1."""
    base = name.split("/")[1] if "/" in name else name
    holders = [entry for entry in entries if name in entry.scores or entry.best.get("metric") == name]
    return sum(base in entry.lower_is_better for entry in holders) * 2 > len(holders)
