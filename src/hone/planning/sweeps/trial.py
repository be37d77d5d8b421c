"""What runs cost, found out as `hone plan` does for one of each kind, in a process like those of the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, final

from hone.allocator import keep_memory
from hone.errors import HoneError
from hone.job import Job
from hone.logs import logged, quieten_libraries
from hone.planning.forecast import forecast
from hone.planning.options import Options
from hone.sweeps.pool import Pool
from hone.sweeps.ready import Ready
from hone.sweeps.scout import apart


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


def tried(ready: Ready, options: Options, pool: Pool) -> Cost:
    """With a worker's share of the machine."""
    said = apart(pool, ready, partial(_try, ready.job, options), "A run of each kind could not be tried")
    return Cost.of(said["found"], said["advice"])


def _try(job: Job, options: Options) -> Mapping[str, Any]:
    keep_memory()
    quieten_libraries()
    try:
        with logged():
            found, advice = forecast(job, options)
    except HoneError as error:
        return {"state": "failed", "reason": str(error)}
    return {"state": "finished", "found": found, "advice": advice}
