"""A sweep as one run of the tracker's: all trials, what each key changes, what failed, which config was chosen; and
its report, for what no tracker draws of a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hone.comparison.collection import Comparison
from hone.comparison.failures import failures
from hone.comparison.importance import importances
from hone.comparison.keys import values_of
from hone.comparison.report import PAGE
from hone.runs.redact import redact_text
from hone.tracking.base import RunInfo, Tracker
from hone.tracking.exhibits import Table


def mirror(
    told: Comparison, test: Mapping[str, float], tracker: Tracker, folder: Path, before: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The trials' runs are in a group of the sweep's name, and so is this one; `before` is what it was last time."""
    keys = list(told.keys)
    about = {"command": told.about.command, "sampler": told.about.sampler, "keys": keys, "metric": told.metric.name}
    info = RunInfo(
        id=folder.name, name=f"sweep {folder.name}", group=folder.name, notes="", config={"sweep": about},
        root=folder.parent, folder=folder, job_type="sweep", tracker=before or {},
    )  # fmt: skip
    known = tracker.start(info)
    rows = [
        [entry.identity, entry.state, entry.value(told.metric.name), entry.seconds, redact_text(entry.reason)]
        + [values_of(entry, keys)[key] for key in keys]
        for entry in told.entries
    ]
    tracker.exhibit("trials", Table(["run", "state", told.metric.name, "seconds", "reason", *keys], rows))
    weights = importances(told.entries, keys, told.metric.name)
    tracker.exhibit("importance", Table(["key", "share"], [[each.key, each.share] for each in weights]))
    causes = [[each.state, redact_text(each.cause), len(each.entries)] for each in failures(told.entries)]
    tracker.exhibit("failures", Table(["state", "cause", "runs"], causes))
    tracker.page("report", (folder / PAGE).read_text(encoding="utf-8"))
    counts = {f"runs/{state}": count for state, count in Counter(each.state for each in told.entries).items()}
    best = told.groups[0]
    chosen = {"best/config": best.label, "best/value": best.summary.mean, "best/std": best.summary.deviation}
    chosen[told.metric.name] = best.summary.mean  # where an agent of W&B's looks, if this is a point of its sweep
    failed = bool(failures(told.entries))
    sent = tracker.finish("failed" if failed else "finished", int(failed), {**counts, **chosen, **test})
    return known and {**known, "sent": sent}
