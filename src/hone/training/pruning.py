"""The contract of pruning: a run reports its evaluations and hears whether to go on; a stopped one may get its turn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from hone.config.build import build
from hone.config.job import Job
from hone.training.course import Course, Monitor

if TYPE_CHECKING:
    from lightning.fabric import Fabric  # a sweep is checked before anything heavy is imported


class Referee(ABC):
    """Inside a run: decides after each evaluation."""

    @abstractmethod
    def stops(self, step: int, value: float) -> bool:
        """Whether this run is not worth going on with for now."""


@final
@dataclass(frozen=True)
class Standing:
    """How the runs of a sweep stand, by their identities."""

    stopped: frozenset[str]
    """By their referees."""
    failed: frozenset[str]
    last: bool
    """Nothing is at work, and nothing new is to come."""


class Pruner(ABC):
    """A config's `sweep.pruner`."""

    @abstractmethod
    def require(self, evaluated: bool) -> None:
        """Raises UserError where it could judge nothing: whether every run is evaluated on its way."""

    @abstractmethod
    def open(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Before the first run: `about` is what all of them have in common."""

    @abstractmethod
    def referee(self, folder: Path, run: str, higher_is_better: bool, steps: int, evaluations: int) -> Referee:
        """For a run (called by its identity) of so many steps, with so many evaluations on the way, in whatever process
        it is; `folder` is the sweep's."""

    @abstractmethod
    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        """The stopped run that is to go on after all, if there is one by now."""


@final
@dataclass(frozen=True)
class Never(Pruner):
    """Says nothing to anybody."""

    def require(self, evaluated: bool) -> None: ...

    def open(self, folder: Path, about: Mapping[str, Any]) -> None: ...

    def referee(self, folder: Path, run: str, higher_is_better: bool, steps: int, evaluations: int) -> Referee:
        return Lenient()

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        return None


@final
class Lenient(Referee):
    """Lets everything pass."""

    def stops(self, step: int, value: float) -> bool:
        return False


@final
@dataclass(frozen=True)
class Shared(Referee):
    """The first process asks the referee, and all processes do what it decides."""

    fabric: Fabric
    referee: Referee

    def stops(self, step: int, value: float) -> bool:
        stops = self.fabric.is_global_zero and self.referee.stops(step, value)
        return bool(self.fabric.broadcast(stops))


def make_referee(fabric: Fabric, job: Job, course: Course, monitor: Monitor) -> Referee:
    """Return the referee of the sweep that a run belongs to, or one that never stops a run."""
    folder = job.invocation.sweep
    if folder is None:
        return Lenient()
    pruner: Pruner = build(job.config["sweep"]["pruner"], Pruner, "sweep.pruner", job.settings.trust)
    better = monitor.higher_is_better
    return Shared(fabric, pruner.referee(folder, job.identity, better, course.steps, course.evaluations))
