"""What runs cost, found out as `hone plan` does for one of each kind, in a process like those of the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Self, final

from hone.commands.plan import Options, forecast
from hone.config.job import Job
from hone.core.errors import HoneError
from hone.core.log import capture_log, quieten_libraries
from hone.core.paths import cache_key
from hone.core.value_types import Rerun
from hone.models.network import count_parameters
from hone.runs.identity import relevant_settings
from hone.runs.snapshots import steps_in
from hone.sweeps.check_cells import run_in_processes
from hone.sweeps.driver import what_to_do
from hone.sweeps.jobs import Ready
from hone.sweeps.ledger import Ledger
from hone.sweeps.staleness import Staleness
from hone.sweeps.workers import LocalWorkers
from hone.training.preflight import Feasible


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


def tried(ready: Ready, options: Options, pool: LocalWorkers, copies: int) -> Cost:
    """With a worker's share of the machine, while as many others are at work: the mean of them counts."""
    work, complaint = partial(_try, ready.job, options), "A run of each kind could not be tried"
    said = run_in_processes(pool, ready, work, complaint, copies if options.time else 1)
    found = [words["found"] for words in said]
    times = [each["time"] for each in found if each["time"]]
    mean = {name: fmean(time[name] for time in times) for name in times[0]} if times else None
    return Cost.of(found[0] | {"time": mean}, said[0]["advice"])


def _try(job: Job, options: Options) -> Mapping[str, Any]:
    quieten_libraries()
    try:
        with capture_log():
            found, advice = forecast(job, options)
    except HoneError as error:
        return {"state": "failed", "reason": str(error)}
    return {"state": "finished", "found": found, "advice": advice}


_AS_DEAR = {"seed", "epochs", "steps", "scheduler", "clip_norm", "monitor", "patience", "evaluate_every"}
"""What changes neither the time of a step nor the memory of a run."""
_RATES = ("checkpoint", "optimizer")
"""Sections whose fractions are rates, and change neither."""


@final
class Survey:
    """Goes into the process that checks the runs."""

    def __init__(self, folder: Path, rerun: Rerun) -> None:
        self.ledger, self.rerun, self.staleness = Ledger(folder), rerun, Staleness()

    def note(self, run: Feasible) -> Mapping[str, Any]:
        """Plain values; steps that are stored already need not be taken again."""
        identity = run.job.identity
        known, folder = self.ledger.outcome(identity), self.ledger.run_folder(identity)
        stale = self.staleness.reason(run.job, folder.path) if known and known.state == "finished" else None
        does = what_to_do(known, self.rerun, stale is not None)
        anew = self.rerun == "all" or stale is not None
        steps, done = run.outline.course.steps, 0
        if does in ("resume", "again") and not anew:
            done = min(max(steps_in(folder.snapshots), default=0), steps)
        return {
            "does": does,
            "state": known.state if known else None,
            "reason": stale or (known.reason if known else None),
            "stale": stale,
            "kind": kind(run.job.config),
            "steps": steps,
            "done": done,
            "evaluations": run.outline.evaluations,
            "parameters": count_parameters(run.prepared.blank),
            "disk": run.disk.needed,
            "free": run.disk.free,
        }


def kind(config: Mapping[str, Any]) -> str:
    """The same for runs that take the same time a step and the same memory."""
    part = {name: value for name, value in relevant_settings(config).items() if name not in _AS_DEAR}
    return cache_key("kind", part | {name: _without_fractions(part[name]) for name in _RATES})


def _without_fractions(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {name: _without_fractions(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_without_fractions(value) for value in node]
    return None if isinstance(node, float) else node
