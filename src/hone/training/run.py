"""`hone train`: one run, from config to scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from hone.config.job import Invocation, Job
from hone.config.settings import TrainSettings
from hone.core.log import Log, capture_log, quieten_libraries
from hone.core.signals import Stop
from hone.reports.gallery import Gallery
from hone.reports.run_screen import final_screen
from hone.runs.folder import Folder, require_writable
from hone.runs.identity import with_absolute_paths
from hone.runs.record import Record
from hone.runs.snapshots import Snapshots
from hone.tracking.tracker import guarded
from hone.training import fabric as devices
from hone.training.assemble import assemble, make_train_state
from hone.training.course import Course
from hone.training.fabric import resolve_precision, warn_about_precision
from hone.training.loop import fit
from hone.training.parts import RunParts
from hone.training.progress import RunProgress
from hone.training.pruning import make_referee
from hone.training.results import KeptCandidates, NoCandidates, score_and_save
from hone.training.session import find_run_to_resume, open_session
from hone.training.stage_cache import NoStageCache, StageCache


def main(settings: TrainSettings, parts: Mapping[str, Any], invocation: Invocation) -> float | None:
    """Trains on as many devices as asked for; returns the number that a sweep optimises."""
    return run(Job(settings, with_absolute_paths({**asdict(settings), **parts}), invocation), NoStageCache())


def run(job: Job, memory: StageCache) -> float | None:
    """The same, of a job that is ready; what is known already reaches no other process than this."""
    alone = job.settings.devices == 1
    return devices.run_on_devices(partial(train, memory=memory if alone else NoStageCache()), job)


def train(job: Job, memory: StageCache) -> float | None:
    """The whole run, in one of its processes."""
    quieten_libraries()
    stop = Stop()
    with capture_log() as log, stop.listening():
        parts = RunParts.of(job.config, job.settings.trust)
        require_writable(Path(job.settings.output_root))
        found = find_run_to_resume(job)
        if found is None or Record.load(found.record)["state"] != "finished":
            found = _run(job, parts, found, stop, log, memory)
    record = Record.load(found.record)
    if devices.is_first():
        final_screen(record, parts.tracker.advice())
    return record["best"]["value"] if record["best"] else None


def _run(job: Job, parts: RunParts, found: Folder | None, stop: Stop, log: Log, memory: StageCache) -> Folder:
    """Prepares, trains, scores and stores."""
    settings = job.settings
    before = Record.load(found.record)["precision"] if found else None
    precision = resolve_precision(settings.precision, settings.accelerator, before)
    warn_about_precision(precision, parts.optimizer.rounds_at_random)
    fabric = devices.make_fabric(settings.accelerator, precision, settings.devices)
    material = assemble(parts, settings, fabric, memory)
    course = Course.of(settings, material.data.feed.steps_per_epoch, material.rows.sizes["train"])
    train_state = make_train_state(fabric, parts, material, course, settings.compile)
    origin = material.origin(parts) | {"precision": precision}
    tracker = guarded(parts.tracker)
    gallery = Gallery(material.rows, material.data, material.task, tracker)
    with open_session(fabric, job, tracker, gallery, origin, found, log) as (folder, audience):
        judge = make_referee(fabric, job, course, material.monitor)
        snapshots = Snapshots(folder.snapshots, job.identity)
        every = tracker.every_best and fabric.is_global_zero
        candidates = KeptCandidates(tracker, folder, parts.adapter) if every else NoCandidates()
        run = RunProgress(audience, snapshots, course, material.monitor, settings.patience, judge, candidates)
        run.resume(fabric, train_state)
        audience.begin(course.steps, run.step)
        with stop.deferred(), train_state.fast_paths():
            fit(fabric, train_state, material.data, run, stop, clip_norm=settings.clip_norm, seed=settings.seed)
        run.choose_best(train_state)
        train_state.module.network = folded = parts.adapter.fold(material.network)
        known = run.known if folded is material.network else {}  # merged weights round differently
        run.concluded(
            *score_and_save(fabric, train_state.wrapped, material.data, folder, job.scored, known, run.examined)
        )
    return folder
