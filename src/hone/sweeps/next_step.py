"""What a sweep does with a cell, from how its last run ended: run it, resume it, run it again, or leave it."""

from __future__ import annotations

from typing import Literal

from hone.core.value_types import Rerun
from hone.runs.sweep_file import Outcome

NextStep = Literal["run", "resume", "again", "skip", "wait"]
"""What to do with a cell; `wait` means that another driver is running it."""

_SETTLED: dict[Rerun, frozenset[str]] = {
    "failed": frozenset({"finished", "pruned"}),
    "stale": frozenset({"finished", "pruned"}),
    "nothing": frozenset({"finished", "pruned", "failed"}),
    "all": frozenset(),
}
"""The states of runs that are not run again, by `sweep.rerun`."""


def settled(rerun: Rerun) -> frozenset[str]:
    """Return the states of runs that are not run again, unless the run is stale and `rerun` is `stale`."""
    return _SETTLED[rerun]


def may_run_again(state: str, rerun: Rerun) -> bool:
    """Whether a search must ask for a cell again. Only the driver can say whether a finished run is stale."""
    return state not in settled(rerun) or rerun == "stale"


def what_to_do(outcome: Outcome | None, rerun: Rerun, stale: bool) -> NextStep:
    """Decide about a cell. `outcome` is None if it has no run yet; a `stale` run would have another result today."""
    if outcome is None:
        return "run"
    if outcome.state == "running":
        return "wait"
    renewed = rerun == "stale" and stale and outcome.state == "finished"
    if outcome.state in settled(rerun) and not renewed:
        return "skip"
    return "resume" if outcome.state in ("interrupted", "preempted") and rerun != "all" else "again"
