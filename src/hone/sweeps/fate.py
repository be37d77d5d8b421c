"""What a sweep does with the run of a cell, by how that stands."""

from __future__ import annotations

from typing import Literal

from hone.core.value_types import Rerun
from hone.runs.sweep_file import Outcome

Fate = Literal["run", "resume", "again", "skip", "wait"]
"""`wait`: another command is at it."""


_SETTLED: dict[Rerun, frozenset[str]] = {
    "failed": frozenset({"finished", "pruned"}),
    "stale": frozenset({"finished", "pruned"}),
    "nothing": frozenset({"finished", "pruned", "failed"}),
    "all": frozenset(),
}
"""The states in which a run stays, by `sweep.rerun`. This is the only such list."""


def settled(rerun: Rerun) -> frozenset[str]:
    """Return the states in which a run stays, unless it is stale and `rerun` is `stale`."""
    return _SETTLED[rerun]


def may_run_again(state: str, rerun: Rerun) -> bool:
    """Whether a search must ask for a cell again. Only the driver can say whether a finished run is stale."""
    return state not in settled(rerun) or rerun == "stale"


def fate(known: Outcome | None, rerun: Rerun, stale: bool) -> Fate:
    """`known` is how the run stands, if there is one; `stale`: it would come out another one today."""
    if known is None:
        return "run"
    if known.state == "running":
        return "wait"
    renewed = rerun == "stale" and stale and known.state == "finished"
    if known.state in settled(rerun) and not renewed:
        return "skip"
    return "resume" if known.state in ("interrupted", "preempted") and rerun != "all" else "again"
