"""Who says whether a run is worth going on with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from lightning.fabric import Fabric

from hone.config.job import Job
from hone.course import Course
from hone.parts import Parts
from hone.runs.monitor import Monitor
from hone.sweeps.pruners.base import Referee
from hone.sweeps.pruners.never import Lenient


@final
@dataclass(frozen=True)
class Shared(Referee):
    """The first process asks, and all of them do what it was told."""

    fabric: Fabric
    referee: Referee

    def stops(self, step: int, value: float) -> bool:
        said = self.fabric.is_global_zero and self.referee.stops(step, value)
        return bool(self.fabric.broadcast(said))


def referee(fabric: Fabric, job: Job, parts: Parts, course: Course, monitor: Monitor) -> Referee:
    """The sweep's, for a run that belongs to one."""
    folder = job.invocation.sweep
    if folder is None:
        return Lenient()
    pruner, better = parts.sweep.pruner, monitor.higher_is_better
    return Shared(fabric, pruner.referee(folder, job.identity, better, course.steps, course.evaluations))
