"""A run as it is compared: what it was given, what came of it, where it lies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

SEED = "seed"
NOTHING = "–"
"""What is shown where there is no value."""


@final
@dataclass(frozen=True)
class Entry:
    """A run, or the cell of a sweep that has not become one."""

    label: str
    state: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The config by dotted keys, or of a sweep's cell the values of its keys."""
    folder: Path | None = None
    identity: str = ""
    number: int | None = None
    reason: str = ""
    words: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, Any] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset({"loss"})
    seconds: float | None = None
    started: str = ""
    finished: str = ""
    command: str = ""
    origin: Mapping[str, str] = field(default_factory=dict)
    """The code, the versions and the data that it comes from."""

    @property
    def counts(self) -> bool:
        """Whether its scores are final ones."""
        return self.state == "finished"

    def value(self, metric: str) -> float:
        """The final score, or how far an unfinished run got; not a number where there is none."""
        found = self.scores.get(metric)
        if found is None and not self.counts and self.best.get("metric") == metric:
            found = self.best.get("value")
        return math.nan if found is None else float(found)

    @property
    def seed(self) -> str:
        return str(self.settings.get(SEED, NOTHING))
