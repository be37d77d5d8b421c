"""What runs cost, found out as `hone plan` does for one of each kind, in a process like those of the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any, Self, final

from hone.config.job import Job
from hone.core.errors import HoneError
from hone.core.log import logged, quieten_libraries
from hone.planning.forecast import forecast
from hone.planning.options import Options
from hone.sweeps.check_cells import apart
from hone.sweeps.jobs import Ready
from hone.sweeps.workers import Pool


@final
@dataclass(frozen=True)
class Cost:
    """Of the runs of a kind; times in seconds, memory in bytes."""

    memory: int
    """Of one run: measured if that was asked for, else estimated."""
    room: int
    device: str
    step: float | None
    """None where no steps were tried."""
    evaluation: float
    concluding: float
    advice: str

    @classmethod
    def of(cls, found: Mapping[str, Any], advice: str) -> Self:
        memory, time, course = found["memory"], found["time"], found["course"]
        taken = memory["measured"] or memory["total"]
        if time is None:
            return cls(taken, memory["room"], found["device"], None, 0.0, 0.0, advice)
        moving = time["step"] * course["steps"] + time["evaluation"] * course["evaluations"]
        last = max(0.0, time["total"] - moving)
        return cls(taken, memory["room"], found["device"], time["step"], time["evaluation"], last, advice)

    def seconds(self, note: Mapping[str, Any]) -> float | None:
        """Of what a run has left to do."""
        if self.step is None:
            return None
        left: int = note["steps"] - note["done"]
        evaluations: float = note["evaluations"] * left / max(note["steps"], 1)
        return self.step * left + self.evaluation * evaluations + self.concluding


def tried(ready: Ready, options: Options, pool: Pool, copies: int) -> Cost:
    """With a worker's share of the machine, while as many others are at work: the mean of them counts."""
    work, complaint = partial(_try, ready.job, options), "A run of each kind could not be tried"
    said = apart(pool, ready, work, complaint, copies if options.time else 1)
    found = [words["found"] for words in said]
    times = [each["time"] for each in found if each["time"]]
    mean = {name: fmean(time[name] for time in times) for name in times[0]} if times else None
    return Cost.of(found[0] | {"time": mean}, said[0]["advice"])


def _try(job: Job, options: Options) -> Mapping[str, Any]:
    quieten_libraries()
    try:
        with logged():
            found, advice = forecast(job, options)
    except HoneError as error:
        return {"state": "failed", "reason": str(error)}
    return {"state": "finished", "found": found, "advice": advice}
