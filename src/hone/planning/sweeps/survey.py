"""What is known of each run of a sweep before anything is tried: how it stands, its work, what it has in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from hone.core.cache import key
from hone.core.value_types import Rerun
from hone.models.network import count_parameters
from hone.runs.identity import relevant
from hone.runs.snapshots import steps_in
from hone.sweeps.driver import fate
from hone.sweeps.ledger import Ledger
from hone.sweeps.staleness import Staleness
from hone.training.preflight import Feasible

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
        does = fate(known, self.rerun, stale is not None)
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
            "parameters": count_parameters(run.draft.blank),
            "disk": run.disk.needed,
            "free": run.disk.free,
        }


def kind(config: Mapping[str, Any]) -> str:
    """The same for runs that take the same time a step and the same memory."""
    part = {name: value for name, value in relevant(config).items() if name not in _AS_DEAR}
    return key("kind", part | {name: _without_fractions(part[name]) for name in _RATES})


def _without_fractions(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {name: _without_fractions(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_without_fractions(value) for value in node]
    return None if isinstance(node, float) else node
