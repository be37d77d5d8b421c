"""The run that stands for a whole sweep in the tracker, and its upload by `hone sync`.

It has the trials, the importance of each key, the failures, the chosen config and the report, because no tracker shows
these for a group of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

from hone.core.errors import RunError
from hone.core.files import write_atomically
from hone.core.redact import redact_text
from hone.reports.comparison import Comparison, compare_sweep
from hone.reports.failures import group_failures
from hone.reports.importance import importances
from hone.reports.keys import values_of
from hone.reports.page import PAGE
from hone.reports.sweep import read_sweep
from hone.runs.reading import read_yaml, sealed_text
from hone.runs.record import nan_to_null
from hone.runs.sweep_file import SWEEP_FILE, find_sweep, stored_by_tracker
from hone.sweeps.test_scores import known_test_scores
from hone.tracking.bookkeeping import Stored, TrackedRun, stored_for
from hone.tracking.exhibits import Table
from hone.tracking.tracker import RunInfo, Tracker
from hone.tracking.wandb.sync import Upload, Way, online_tracker, wandb_part


def log_sweep(comparison: Comparison, test: Mapping[str, float], tracked: TrackedRun, folder: Path) -> None:
    """Log the sweep as a run. It is in the group that has the sweep's name, as are the runs of its trials."""
    tracker, metric = tracked.tracker, comparison.metric.name
    tracked.begin(_sweep_info(comparison, folder))
    _log_tables(tracker, comparison)
    tracker.page("report", (folder / PAGE).read_text(encoding="utf-8"))
    counts = Counter(entry.state for entry in comparison.entries)
    best = comparison.groups[0]
    summary: dict[str, Any] = {
        **{f"runs/{state}": count for state, count in counts.items()},
        "best/config": best.label,
        "best/value": best.summary.mean,
        "best/std": best.summary.deviation,
        metric: best.summary.mean,  # a W&B agent looks for it here, if this sweep is a point of W&B's own sweep
        **test,
    }
    failed = bool(group_failures(comparison.entries))
    tracked.end("failed" if failed else "finished", int(failed), summary)


def _sweep_info(comparison: Comparison, folder: Path) -> RunInfo:
    config = {
        "command": comparison.about.command,
        "sampler": comparison.about.sampler,
        "keys": list(comparison.keys),
        "metric": comparison.metric.name,
    }
    return RunInfo(
        id=folder.name, name=f"sweep {folder.name}", group=folder.name, notes="", config={"sweep": config},
        root=folder.parent, folder=folder, job_type="sweep",
    )  # fmt: skip


def _log_tables(tracker: Tracker, comparison: Comparison) -> None:
    """Log the trials, the importance of each key, and the failures by cause."""
    keys, metric = list(comparison.keys), comparison.metric.name
    trials = []
    for entry in comparison.entries:
        values = values_of(entry, keys)
        row = [entry.identity, entry.state, entry.value(metric), entry.seconds, redact_text(entry.reason)]
        trials.append(row + [values[key] for key in keys])
    tracker.exhibit("trials", Table(["run", "state", metric, "seconds", "reason", *keys], trials))
    shares = [[importance.key, importance.share] for importance in importances(comparison.entries, keys, metric)]
    tracker.exhibit("importance", Table(["key", "share"], shares))
    causes = [
        [failure.state, redact_text(failure.cause), len(failure.entries)]
        for failure in group_failures(comparison.entries)
    ]
    tracker.exhibit("failures", Table(["state", "cause", "runs"], causes))


@final
@dataclass(frozen=True)
class SweepUpload(Upload):
    """Uploads the run that stands for a sweep. It is logged again, from what the sweep's runs have stored."""

    folder: Path
    way: Way
    why: str

    @property
    def place(self) -> Path:
        return self.folder

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Decide whether the sweep in this folder has to be uploaded."""
        stored = stored_for(stored_by_tracker(folder), "wandb")
        if stored is None:
            return cls(folder, "nothing", "the sweep has no run in W&B")
        if stored.get("mode") == "disabled":
            return cls(folder, "nothing", "W&B was disabled")
        return cls(folder, "nothing", "already there") if stored.get("sent") else cls(folder, "journal", "the sweep")

    def send(self) -> None:
        config = read_yaml(next(self.folder.glob("*/config.yaml")), ("tracker",))
        comparison = compare_sweep(read_sweep(self.folder), None, None, 0)
        tracker = online_tracker(wandb_part(config["tracker"]) or {})
        tracked = TrackedRun(tracker, stored_by_tracker(self.folder), self._store)
        log_sweep(comparison, known_test_scores(comparison.groups), tracked, self.folder)
        if not tracked.is_sent:
            raise RunError("W&B did not accept all of it.")

    def _store(self, stored: Stored) -> None:
        content = find_sweep(str(self.folder)) | {"tracker": stored}
        write_atomically(self.folder / SWEEP_FILE, sealed_text(nan_to_null(content)))
