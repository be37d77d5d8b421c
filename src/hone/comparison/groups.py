"""Runs that differ in nothing but their seed, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from hone.comparison.keys import as_words, value_of, values_of
from hone.comparison.runs import SEED, Entry
from hone.comparison.statistics.summary import Summary


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
