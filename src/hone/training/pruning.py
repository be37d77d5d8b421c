"""The contract of pruning: a run reports its evaluations and may be stopped; a stopped run may be revived."""

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
    """Decides inside a run, after each evaluation, whether it continues."""

    @abstractmethod
    def stops(self, step: int, value: float) -> bool:
        """Return whether this run should stop for now."""


@final
@dataclass(frozen=True)
class Standing:
    """The state of a sweep's runs, by their identities."""

    stopped: frozenset[str]
    """Runs that their referees stopped."""
    failed: frozenset[str]
    last: bool
    """Whether no run is at work and no new one will start."""


class Pruner(ABC):
    """A config's `sweep.pruner`: stops runs early and chooses which stopped ones continue."""

    @abstractmethod
    def require(self, evaluated: bool) -> None:
        """Raise UserError if the pruner cannot judge: `evaluated` says whether every run is evaluated on its way."""

    @abstractmethod
    def open(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Prepare the folder before the first run; `about` is what all runs have in common."""

    @abstractmethod
    def referee(self, folder: Path, run: str, higher_is_better: bool, steps: int, evaluations: int) -> Referee:
        """Return the referee of a run (its identity), which has this many steps and evaluations, in any process.

        `folder` is the sweep's."""

    @abstractmethod
    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        """Return the stopped run that should continue after all, if there is one."""


@final
@dataclass(frozen=True)
class Never(Pruner):
    """No pruning: every run goes to its end."""

    def require(self, evaluated: bool) -> None: ...

    def open(self, folder: Path, about: Mapping[str, Any]) -> None: ...

    def referee(self, folder: Path, run: str, higher_is_better: bool, steps: int, evaluations: int) -> Referee:
        return LenientReferee()

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        return None


@final
class LenientReferee(Referee):
    """Never stops a run."""

    def stops(self, step: int, value: float) -> bool:
        return False


@final
@dataclass(frozen=True)
class SharedReferee(Referee):
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
        return LenientReferee()
    pruner: Pruner = build(job.config["sweep"]["pruner"], Pruner, "sweep.pruner", job.settings.trust)
    better = monitor.higher_is_better
    return SharedReferee(fabric, pruner.referee(folder, job.identity, better, course.steps, course.evaluations))
