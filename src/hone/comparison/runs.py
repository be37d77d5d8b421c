"""A run in a comparison: its settings, its results and its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, final

SEED = "seed"
NOTHING = "–"
"""The placeholder for a missing value."""


@final
@dataclass(frozen=True)
class Entry:
    """A run, or a cell of a sweep that has not started yet."""

    label: str
    state: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The config by dotted keys. A cell without a run has the values of the sweep's keys only."""
    folder: Path | None = None
    identity: str = ""
    number: int | None = None
    reason: str = ""
    words: tuple[str, ...] = ()
    """The overrides of the run's command. A cell of a sweep has only those in which it differs from other cells."""
    overrides: tuple[str, ...] = ()
    """All overrides of the run's command, those that every run of a sweep shares included."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """The option of each config group, defaults included."""
    objectives: Mapping[str, str] = field(default_factory=dict)
    """`maximize` or `minimize` for each number that the sweep optimizes, if it optimizes several."""
    scores: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    """The scores of a model that ignores its input."""
    best: Mapping[str, Any] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset({"loss"})
    seconds: float | None = None
    started: str = ""
    finished: str = ""
    command: str = ""
    origin: Mapping[str, str] = field(default_factory=dict)
    """The code, the library versions and the data behind the run."""

    @property
    def counts(self) -> bool:
        """Whether the scores are final."""
        return self.state == "finished"

    def value(self, metric: str) -> float:
        """The final score. An unfinished run has its best score so far, and a run without a score has NaN."""
        found = self.scores.get(metric)
        if found is None and not self.counts and self.best.get("metric") == metric:
            found = self.best.get("value")
        return math.nan if found is None else float(found)

    def number_of(self, name: str) -> float:
        """A score or the run's duration (`seconds`), NaN if the run has neither."""
        return self.value(name) if name != "seconds" or self.seconds is None else float(self.seconds)

    @cached_property
    def typed(self) -> Mapping[str, str]:
        """The overrides of the command, by key."""
        words = (word.lstrip("+~").partition("=") for word in self.words)
        return {key: value for key, _, value in words if key != "resume"}

    @property
    def seed(self) -> str:
        return str(self.settings.get(SEED, NOTHING))
