"""What a sweep does with the run of a cell, by how that stands."""

from __future__ import annotations

from typing import Literal

from hone.sweeps.cell import Outcome
from hone.types import Rerun

Fate = Literal["run", "resume", "again", "skip", "wait"]
"""`wait`: another command is at it."""


def settled(rerun: Rerun) -> set[str]:
    """The states in which a run stays."""
    return {"all": set[str](), "nothing": {"finished", "pruned", "failed"}}.get(rerun, {"finished", "pruned"})


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
