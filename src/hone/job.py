"""What was asked for: one run's settings, its whole config, and the command behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from hone.invocation import Invocation
from hone.runs.identity import identity
from hone.settings.train import Train
from hone.types import Split


@final
@dataclass(frozen=True)
class Job:
    """Travels to every process of a run."""

    settings: Train
    config: Mapping[str, Any]
    invocation: Invocation

    @property
    def name(self) -> str:
        """Of the run's folder and group."""
        if self.invocation.sweep is not None:
            return self.invocation.sweep.name
        return self.settings.name or self.invocation.name

    @property
    def scored(self) -> tuple[Split, ...]:
        """The splits of the final scores; in a sweep the test split stays sealed until the best run is chosen."""
        return ("validation", "test") if self.invocation.sweep is None else ("validation",)

    @cached_property
    def identity(self) -> str:
        """The same for every job that would come to the same result."""
        return identity(self.config)
