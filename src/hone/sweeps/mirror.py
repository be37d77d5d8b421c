"""A sweep as one run in the tracker, with all trials, what each key changes, what failed, which config was chosen, and
its report, since no tracker draws these for a group of runs; and the upload of that run by `hone sync`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import yaml

from hone.core.errors import RunError
from hone.core.redact import redact_text
from hone.reports.comparison import Comparison, of_sweep
from hone.reports.failures import failures
from hone.reports.importance import importances
from hone.reports.keys import values_of
from hone.reports.page import PAGE
from hone.reports.sweep import read_sweep
from hone.runs.record import write_atomically
from hone.runs.sweep_file import SWEEP_FILE, find_sweep, stored_by_tracker
from hone.sweeps.test_scores import known_scores
from hone.tracking.bookkeeping import Stored, TrackedRun, stored_for
from hone.tracking.exhibits import Table
from hone.tracking.tracker import RunInfo
from hone.tracking.wandb.sync import Upload, Way, online_tracker, wandb_part


def mirror(told: Comparison, test: Mapping[str, float], tracked: TrackedRun, folder: Path) -> None:
    """Log the sweep. Its run is in the group that has the sweep's name, as are the runs of its trials."""
    tracker, keys = tracked.tracker, list(told.keys)
    about = {"command": told.about.command, "sampler": told.about.sampler, "keys": keys, "metric": told.metric.name}
    info = RunInfo(
        id=folder.name, name=f"sweep {folder.name}", group=folder.name, notes="", config={"sweep": about},
        root=folder.parent, folder=folder, job_type="sweep",
    )  # fmt: skip
    tracked.begin(info)
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
    tracked.end("failed" if failed else "finished", int(failed), {**counts, **chosen, **test})


@final
@dataclass(frozen=True)
class SweepUpload(Upload):
    """The upload of the run that stands for a sweep: it is logged again from what the sweep's runs have stored."""

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
        config = yaml.safe_load(next(self.folder.glob("*/config.yaml")).read_text(encoding="utf-8"))
        told = of_sweep(read_sweep(self.folder), None, None, 0)
        tracker = online_tracker(wandb_part(config["tracker"]) or {})
        tracked = TrackedRun(tracker, stored_by_tracker(self.folder), self._store)
        mirror(told, known_scores(told.groups), tracked, self.folder)
        if not tracked.is_sent:
            raise RunError("W&B did not take all of it.")

    def _store(self, stored: Stored) -> None:
        story = find_sweep(str(self.folder)) | {"tracker": stored}
        write_atomically(self.folder / SWEEP_FILE, json.dumps(story, indent=2, ensure_ascii=False) + "\n")
