"""A run made ready as `hone train` does it, to try some of its steps; nothing of it is kept."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, final

from lightning.fabric import Fabric

from hone.config.job import Job
from hone.core.value_types import ExactPrecision
from hone.data.module import Batches, DataModule, Step
from hone.training.assemble import gather, outfit
from hone.training.course import Course
from hone.training.evaluation import run_through
from hone.training.fabric import make_fabric
from hone.training.loop import learn
from hone.training.parts import Parts
from hone.training.stage_cache import NoRecall
from hone.training.state import Trainee
from hone.training.step import health_of


@final
@dataclass(frozen=True)
class Bench:
    """A process by itself, whatever number of them the run would have."""

    job: Job
    fabric: Fabric
    data: DataModule
    trainee: Trainee

    @classmethod
    def of(cls, job: Job, precision: ExactPrecision) -> Self:
        settings = job.settings
        parts = Parts.of(job.config, settings.trust)
        fabric = make_fabric(settings.accelerator, precision)
        material = gather(parts, settings, fabric, NoRecall())
        course = Course.of(settings, material.data.feed.steps_per_epoch, material.rows.sizes["train"])
        return cls(job, fabric, material.data, outfit(fabric, parts, material, course, settings.compile))

    def takes(self, step: Step) -> float:
        """The seconds of a step."""
        begun, targets = time.perf_counter(), max(sum(step.targets), 1e-12)
        loss, _ = learn(
            self.fabric, self.trainee, health_of(self.fabric, self.trainee), step, targets, self.job.settings.clip_norm
        )
        float(loss)  # a GPU is waited for
        return time.perf_counter() - begun

    def evaluates(self, split: str, places: Iterable[int]) -> tuple[float, int]:
        """The seconds that some batches of a split take, and the tokens in them, padding included."""
        batches, lengths = self.data.batches(split), self.data.lengths[split]
        chosen = [batches.plan[place] for place in places]
        begun = time.perf_counter()
        run_through(self.fabric, self.trainee.wrapped, Batches(chosen, batches.make))
        return time.perf_counter() - begun, sum(len(rows) * int(lengths[rows].max()) for rows in chosen)
