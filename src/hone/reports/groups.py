"""Runs that differ in nothing but their seed, and what they come to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from hone.core.errors import UserError, did_you_mean, join_names
from hone.reports.keys import as_words, value_of, values_of
from hone.reports.runs import SEED, Entry
from hone.reports.significance import Summary


@final
@dataclass(frozen=True)
class Metric:
    """A score's name and which way is better."""

    name: str
    higher_is_better: bool


@final
@dataclass(frozen=True)
class Group:
    """One configuration."""

    values: dict[str, str]
    """What sets it apart from the others."""
    entries: tuple[Entry, ...]
    metric: Metric

    @property
    def label(self) -> str:
        return as_words(self.values)

    @cached_property
    def counted(self) -> tuple[Entry, ...]:
        """The runs that are finished and have the score."""
        return tuple(entry for entry in self.entries if entry.counts and not math.isnan(entry.value(self.metric.name)))

    @cached_property
    def summary(self) -> Summary:
        return self.of(self.metric)

    def of(self, metric: Metric) -> Summary:
        """Another score of the same runs."""
        values = (entry.value(metric.name) for entry in self.counted)
        return Summary(tuple(value for value in values if not math.isnan(value)), metric.higher_is_better)

    @property
    def seeds(self) -> dict[str, float]:
        return {entry.seed: entry.value(self.metric.name) for entry in self.counted}


def grouped(entries: Sequence[Entry], keys: Sequence[str], metric: Metric) -> list[Group]:
    """Best mean first; those without a finished run come last."""
    apart = [key for key in keys if key != SEED]
    found: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        found.setdefault(tuple(value_of(entry, key) for key in apart), []).append(entry)
    groups = [Group(values_of(each[0], apart), tuple(each), metric) for each in found.values()]
    return sorted(groups, key=_rank)


def _rank(group: Group) -> tuple[bool, float]:
    mean = group.summary.mean
    return (math.isnan(mean), 0.0 if math.isnan(mean) else mean * (-1 if group.metric.higher_is_better else 1))


def deciding(entries: Sequence[Entry], asked: str | None, known: Metric | None = None) -> Metric:
    """The metric by which runs are ranked; by default the one that chose their weights."""
    if asked is None and known is not None:
        return known
    name = asked or _usual(entries)
    scores = dict.fromkeys(score for entry in entries for score in entry.scores)
    if asked is not None and scores and name not in scores:
        name = _meant(asked, list(scores))
    return Metric(name, not _lower(name, entries))


def _usual(entries: Sequence[Entry]) -> str:
    counts = Counter(str(entry.best["metric"]) for entry in entries if entry.best.get("metric"))
    if not counts:
        raise UserError(
            f"metric: none of these {len(entries)} runs says by which score it chose its weights, for none has been "
            "evaluated; say metric=validation/… where they have scores."
        )
    return counts.most_common(1)[0][0]


def _meant(asked: str, scores: Sequence[str]) -> str:
    """`f1_macro` for `validation/f1_macro`, where that is what there is."""
    if f"validation/{asked}" in scores:
        return f"validation/{asked}"
    whole = [score for score in scores if score.count("/") == 1]
    raise UserError(
        f"metric={asked}: no run has it.{did_you_mean(asked, [*scores, *_bare(whole)])} There are {join_names(whole)}."
    )


def _bare(scores: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(score.partition("/")[2] for score in scores))


def _lower(name: str, entries: Sequence[Entry]) -> bool:
    """As most of the runs that have the score say: `validation/f1/joy` goes the way of f1."""
    base = name.split("/")[1] if "/" in name else name
    having = [entry for entry in entries if name in entry.scores or entry.best.get("metric") == name]
    return sum(base in entry.lower_is_better for entry in having) * 2 > len(having)
