"""What the runs of a sweep cost: one run of each kind is planned as `hone plan` does, in a process like the sweep's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Self, final

from hone.commands.plan import PlanOptions, forecast
from hone.config.job import Job
from hone.core.errors import HoneError
from hone.core.log import capture_log, quieten_libraries
from hone.core.paths import cache_key
from hone.core.value_types import Rerun
from hone.models.network import count_parameters
from hone.runs.identity import relevant_settings
from hone.runs.snapshots import steps_in
from hone.sweeps.check_cells import run_in_processes
from hone.sweeps.jobs import Ready
from hone.sweeps.ledger import Ledger
from hone.sweeps.next_step import what_to_do
from hone.sweeps.staleness import Staleness
from hone.sweeps.workers import LocalWorkers
from hone.training.preflight import Feasible

_COST_NOTHING = {"seed", "epochs", "steps", "scheduler", "clip_norm", "monitor", "patience", "evaluate_every"}
"""Keys that change neither the time of a step nor the memory of a run."""
_HAVE_RATES = ("checkpoint", "optimizer")
"""Sections in which all fractions are rates, such as a learning rate, that change neither."""


@final
@dataclass(frozen=True)
class RunCost:
    """What one run of a kind costs, with times in seconds and memory in bytes."""

    memory: int
    """Measured if that was asked for, else estimated."""
    room: int
    device: str
    step: float | None
    """None where no steps were tried."""
    evaluation: float
    concluding: float
    """The scores at the end of the run."""
    advice: str

    @classmethod
    def of(cls, plan: Mapping[str, Any], advice: str) -> Self:
        memory, time, course = plan["memory"], plan["time"], plan["course"]
        taken = memory["measured"] or memory["total"]
        if time is None:
            return cls(taken, memory["room"], plan["device"], None, 0.0, 0.0, advice)
        training = time["step"] * course["steps"] + time["evaluation"] * course["evaluations"]
        concluding = max(0.0, time["total"] - training)
        return cls(taken, memory["room"], plan["device"], time["step"], time["evaluation"], concluding, advice)

    def remaining_seconds(self, row: Mapping[str, Any]) -> float | None:
        """Return the seconds that a run still takes; `row` is its `RunSurvey.describe`."""
        if self.step is None:
            return None
        steps: int = row["steps"] - row["done"]
        evaluations: float = row["evaluations"] * steps / max(row["steps"], 1)
        return self.step * steps + self.evaluation * evaluations + self.concluding


def measure_cost(ready: Ready, options: PlanOptions, pool: LocalWorkers, copies: int) -> RunCost:
    """Plan a run with a worker's share of the machine.

    Where steps are timed, `copies` processes do the same at once, as the workers of the sweep will slow each other
    down, and the mean of their times counts.
    """
    work, complaint = partial(_forecast, ready.job, options), "A run of each kind could not be tried"
    results = run_in_processes(pool, ready, work, complaint, copies if options.time else 1)
    plan, advice = results[0]["found"], results[0]["advice"]
    times = [result["found"]["time"] for result in results if result["found"]["time"]]
    mean_time = {name: fmean(time[name] for time in times) for name in times[0]} if times else None
    return RunCost.of(plan | {"time": mean_time}, advice)


def _forecast(job: Job, options: PlanOptions) -> Mapping[str, Any]:
    """The work of such a process."""
    quieten_libraries()
    try:
        with capture_log():
            plan, advice = forecast(job, options)
    except HoneError as error:
        return {"state": "failed", "reason": str(error)}
    return {"state": "finished", "found": plan, "advice": advice}


@final
class RunSurvey:
    """Describes what the sweep would do with each run; it is sent into the process that checks the runs."""

    def __init__(self, folder: Path, rerun: Rerun) -> None:
        self.ledger, self.rerun, self.staleness = Ledger(folder), rerun, Staleness()

    def describe(self, feasible: Feasible) -> Mapping[str, Any]:
        """Return plain values. `done` are the steps that a resumed run would not have to take again."""
        identity = feasible.job.identity
        outcome, folder = self.ledger.outcome(identity), self.ledger.run_folder(identity)
        is_finished = outcome is not None and outcome.state == "finished"
        stale = self.staleness.reason(feasible.job, folder.path) if is_finished else None
        does = what_to_do(outcome, self.rerun, stale is not None)
        from_start = self.rerun == "all" or stale is not None
        steps, done = feasible.outline.course.steps, 0
        if does in ("resume", "again") and not from_start:
            done = min(max(steps_in(folder.snapshots), default=0), steps)
        return {
            "does": does,
            "state": outcome.state if outcome else None,
            "reason": stale or (outcome.reason if outcome else None),
            "stale": stale,
            "kind": kind_of(feasible.job.config),
            "steps": steps,
            "done": done,
            "evaluations": feasible.outline.evaluations,
            "parameters": count_parameters(feasible.prepared.blank),
            "disk": feasible.disk.needed,
            "free": feasible.disk.free,
        }


def kind_of(config: Mapping[str, Any]) -> str:
    """Return a key that is equal for runs with the same time per step and the same memory."""
    costly = {name: value for name, value in relevant_settings(config).items() if name not in _COST_NOTHING}
    return cache_key("kind", costly | {name: _without_fractions(costly[name]) for name in _HAVE_RATES})


def _without_fractions(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {name: _without_fractions(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_without_fractions(value) for value in node]
    return None if isinstance(node, float) else node
