"""Runs that differ in nothing but their seed, as one result."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from hone.sweeps.entry import Entry


@final
@dataclass(frozen=True)
class Group:
    """The entries of one config."""

    words: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def values(self) -> list[float]:
        return [each.outcome.value for each in self.entries if each.outcome.value is not None]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Over the seeds; of a single one there is none."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def complete(self) -> bool:
        return all(each.state == "finished" and each.outcome.value is not None for each in self.entries)


def grouped(entries: Iterable[Entry], higher_is_better: bool) -> list[Group]:
    """The best first; those without a value last."""
    found: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        words = tuple(word for word in entry.cell.words if word.lstrip("+").partition("=")[0] != "seed")
        found.setdefault(words, []).append(entry)
    groups = [Group(words, tuple(each)) for words, each in found.items()]
    sign = -1.0 if higher_is_better else 1.0
    return sorted(groups, key=lambda group: sign * group.mean if group.values else float("inf"))
