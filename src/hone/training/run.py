"""`hone train`: one run, from config to scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from hone.config.job import Invocation, Job
from hone.config.settings import Train
from hone.core.log import Log, logged, quieten_libraries
from hone.core.signals import Stop
from hone.reports.gallery import Gallery
from hone.reports.run_screen import final_screen
from hone.runs.folder import Folder, require_writable
from hone.runs.identity import with_absolute_paths
from hone.runs.record import Record
from hone.runs.snapshots import Snapshots
from hone.tracking.tracker import guarded
from hone.training import fabric as devices
from hone.training.assemble import gather, outfit
from hone.training.course import Course
from hone.training.fabric import advise, settle
from hone.training.loop import fit
from hone.training.parts import Parts
from hone.training.progress import Run
from hone.training.pruning import referee
from hone.training.results import KeptCandidates, NoCandidates, conclude
from hone.training.session import find_run_to_resume, recorded
from hone.training.stage_cache import NoRecall, Recall


def main(settings: Train, parts: Mapping[str, Any], invocation: Invocation) -> float | None:
    """Trains on as many devices as asked for; returns the number that a sweep optimises."""
    return run(Job(settings, with_absolute_paths({**asdict(settings), **parts}), invocation), NoRecall())


def run(job: Job, memory: Recall) -> float | None:
    """The same, of a job that is ready; what is known already reaches no other process than this."""
    alone = job.settings.devices == 1
    return devices.spread(partial(train, memory=memory if alone else NoRecall()), job)


def train(job: Job, memory: Recall) -> float | None:
    """The whole run, in one of its processes."""
    quieten_libraries()
    stop = Stop()
    with logged() as log, stop.listening():
        parts = Parts.of(job.config, job.settings.trust)
        require_writable(Path(job.settings.output_root))
        found = find_run_to_resume(job)
        if found is None or Record.load(found.record)["state"] != "finished":
            found = _run(job, parts, found, stop, log, memory)
    record = Record.load(found.record)
    if devices.is_first():
        final_screen(record, parts.tracker.advice())
    return record["best"]["value"] if record["best"] else None


def _run(job: Job, parts: Parts, found: Folder | None, stop: Stop, log: Log, memory: Recall) -> Folder:
    """Prepares, trains, scores and stores."""
    settings = job.settings
    before = Record.load(found.record)["precision"] if found else None
    precision = settle(settings.precision, settings.accelerator, before)
    advise(precision, parts.optimizer.rounds_at_random)
    fabric = devices.make_fabric(settings.accelerator, precision, settings.devices)
    material = gather(parts, settings, fabric, memory)
    course = Course.of(settings, material.data.feed.steps_per_epoch, material.rows.sizes["train"])
    trainee = outfit(fabric, parts, material, course, settings.compile)
    origin = material.origin(parts) | {"precision": precision}
    tracker = guarded(parts.tracker)
    gallery = Gallery(material.rows, material.data, material.task, tracker)
    with recorded(fabric, job, tracker, gallery, origin, found, log) as (folder, audience):
        judge = referee(fabric, job, parts, course, material.monitor)
        snapshots = Snapshots(folder.snapshots, job.identity)
        every = tracker.every_best and fabric.is_global_zero
        candidates = KeptCandidates(tracker, folder, parts.adapter) if every else NoCandidates()
        run = Run(audience, snapshots, course, material.monitor, settings.patience, judge, candidates)
        run.resume(fabric, trainee)
        audience.begin(course.steps, run.step)
        with stop.deferred(), trainee.at_work():
            fit(fabric, trainee, material.data, run, stop, clip_norm=settings.clip_norm, seed=settings.seed)
        run.choose_best(trainee)
        trainee.module.network = folded = parts.adapter.fold(material.network)
        known = run.known if folded is material.network else {}  # merged weights round differently
        run.concluded(*conclude(fabric, trainee.wrapped, material.data, folder, job.scored, known, run.examined))
    return folder
