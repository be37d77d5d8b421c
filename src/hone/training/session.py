"""A run in its folder: the folder is locked, and record and tracker show the run's state however it ends."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml
from lightning.fabric import Fabric

from hone.config.job import Job
from hone.core.errors import HoneError, StopRequest, StorageError, UserError
from hone.core.files import write_atomically
from hone.core.log import Log
from hone.core.paths import relative_to_cwd
from hone.core.progress_bar import make_display
from hone.core.redact import redact, redact_text
from hone.reports.gallery import Gallery
from hone.runs import provenance
from hone.runs.folder import Folder, cell_folder, is_run, new_folder, newest_run
from hone.runs.identity import differences, relevant_settings
from hone.runs.journal import Journal
from hone.runs.manifest import begin_manifest, complete_manifest, require_intact
from hone.runs.reading import read_yaml
from hone.runs.record import Record, find_run, now
from hone.runs.snapshots import Snapshots, steps_in
from hone.tracking.bookkeeping import TrackedRun, final_summary, incomplete, run_info
from hone.tracking.tracker import Tracker, guarded
from hone.training.assemble import Assembled
from hone.training.listeners import Listeners, NoListeners, RunListeners
from hone.training.parts import RunParts
from hone.training.progress import RunProgress
from hone.training.pruning import make_referee
from hone.training.saving import BestModels

log = logging.getLogger(__name__)


@contextmanager
def open_session(
    fabric: Fabric,
    job: Job,
    parts: RunParts,
    assembled: Assembled,
    origin: Mapping[str, Any],
    resumed: Folder | None,
    output: Log,
) -> Iterator[tuple[Folder, RunProgress]]:
    """Open the run's folder, its record and its tracker, and close them however the run ends.

    Only the first process writes there; the others get a progress without listeners."""
    tracker = guarded(parts.tracker)
    if not fabric.is_global_zero:
        folder = Folder(Path(fabric.broadcast("")))
        yield folder, _make_progress(fabric, job, parts, assembled, tracker, folder, NoListeners())
        return
    folder = resumed or _new_folder(job)
    with folder.claimed(), _removed_after_mistakes(folder, new=resumed is None):
        folder.remove_drafts()
        record = Record.load(folder.record) if resumed else _new_record(folder, job)
        _require_same(record, origin)
        revived = record["state"] == "pruned"
        if resumed is None or not job.settings.verify:
            assembled.task.facts.save(folder.facts)
        begin_manifest(folder)
        output.write_to(folder.log)
        fabric.broadcast(str(folder.path))
        _log_origin(record["command"], origin)
        gallery = Gallery(assembled.rows, assembled.data, assembled.task, tracker, folder)
        listeners = RunListeners(Journal(folder.journal), tracker, gallery, make_display(), record)
        with closing(listeners), _recorded(record, job, tracker, origin):
            yield folder, _make_progress(fabric, job, parts, assembled, tracker, folder, listeners, revived)


def _make_progress(
    fabric: Fabric,
    job: Job,
    parts: RunParts,
    assembled: Assembled,
    tracker: Tracker,
    folder: Folder,
    listeners: Listeners,
    revived: bool = False,
) -> RunProgress:
    referee = make_referee(fabric, job, assembled.course, assembled.monitor)
    snapshots = Snapshots(folder.snapshots, job.identity)
    offer = BestModels(tracker, folder, parts.adapter) if tracker.every_best and fabric.is_global_zero else None
    course, monitor, patience = assembled.course, assembled.monitor, job.settings.patience
    return RunProgress(listeners, snapshots, course, monitor, patience, referee, offer, revived)


def _new_folder(job: Job) -> Folder:
    if job.invocation.sweep is not None:
        return cell_folder(job.invocation.sweep / job.identity)
    return new_folder(Path(job.settings.output_root), job.name, job.identity)


@contextmanager
def _removed_after_mistakes(folder: Folder, new: bool) -> Iterator[None]:
    """Remove a new folder when the user made a mistake: the run has not begun, and nothing is left behind."""
    try:
        yield
    except UserError:
        if new:
            shutil.rmtree(folder.path)
        raise


@contextmanager
def _recorded(record: Record, job: Job, tracker: Tracker, origin: Mapping[str, Any]) -> Iterator[None]:
    """Record the run as running inside, and then as finished, failed or pre-empted, with the reason."""
    begun, earlier = time.monotonic(), record["seconds"] or 0.0
    record.update(state="running", exit_code=None, reason=None, finished=None, **redact(origin))
    tracked = TrackedRun(tracker, incomplete(record["tracker"]), lambda stored: record.update(tracker=stored))

    def end(state: str, exit_code: int, reason: str | None) -> None:
        seconds = round(earlier + time.monotonic() - begun, 2)
        record.update(state=state, exit_code=exit_code, reason=reason, finished=now(), seconds=seconds)
        complete_manifest(Folder(record.path.parent))
        tracker.keep(Folder(record.path.parent))
        tracked.end(state, exit_code, final_summary(record))

    try:
        tracked.begin(run_info(record, redact(job.config), Path(job.settings.output_root).absolute()))
        tracker.uses(record["data"])
        yield
    except (HoneError, StopRequest) as error:
        _add_way_on(error, Folder(record.path.parent))
        log.info("%s: %s", error.state, error)
        with _as_far_as_the_disk_allows():
            end(error.state, error.exit_code, redact_text(str(error)))
        raise
    except BaseException as error:
        log.exception("failed")
        with _as_far_as_the_disk_allows():
            end("failed", 1, redact_text(f"{type(error).__name__}: {error}"))
        raise
    end("finished", 0, None)


def _add_way_on(error: BaseException, folder: Folder) -> None:
    """Add to an error of the disk how the run is continued afterwards, if it has a checkpoint."""
    if isinstance(error, StorageError) and steps_in(folder.snapshots):
        words = f"Then hone train resume={relative_to_cwd(folder.path)} continues from the last checkpoint."
        error.args = (f"{error} {words}",)


@contextmanager
def _as_far_as_the_disk_allows() -> Iterator[None]:
    """Keep the reason why a run ends, although the disk does not even take the record of it."""
    try:
        yield
    except StorageError as error:
        log.info("the end of the run is not recorded: %s", error)


def _log_origin(command: str, origin: Mapping[str, Any]) -> None:
    data, checkpoint, parameters = origin["data"], origin["checkpoint"], origin["parameters"]
    rows = ", ".join(f"{count} {split}" for split, count in data["rows"].items())
    log.info("%s", command)
    log.info("data %s: %s rows", data["name"], rows)
    log.info(
        "checkpoint %s: %d parameters, %d trainable", checkpoint["name"], parameters["total"], parameters["trainable"]
    )


def _new_record(folder: Folder, job: Job) -> Record:
    write_atomically(folder.config, yaml.safe_dump(redact(job.config), sort_keys=False, allow_unicode=True))
    diff = provenance.git_diff()
    if diff:
        write_atomically(folder.diff, redact_text(diff) + "\n")
    begun = {
        "id": folder.path.name,
        "identity": job.identity,
        "name": job.invocation.title or folder.path.name,
        "group": job.name,
        "started": now(),
        "command": job.invocation.command,
        "overrides": list(job.invocation.overrides),
        "choices": dict(job.invocation.parts),
        "folder": str(folder.path),
    }
    machine = {
        "git": provenance.git_state(),
        "versions": provenance.package_versions(),
        "hardware": provenance.describe_hardware(),
    }
    return Record(folder.record, begun | machine)


def _require_same(record: Record, origin: Mapping[str, Any]) -> None:
    """Raise UserError if data or weights are not those that the run began with."""
    for what in ("data", "checkpoint"):
        before, present = record[what], origin[what]
        if before and before["fingerprint"] != present["fingerprint"]:
            raise UserError(
                f"The {what} ({present['name']}) has changed since this run began: its fingerprint was "
                f"{before['fingerprint']} and is {present['fingerprint']}. Start a new run."
            )


def find_run_to_resume(job: Job) -> Folder | None:
    """Return the folder of the run to resume, if there is one. It must be the run that the config describes, and
    intact."""
    folder = _find_run(job)
    if folder is not None and job.settings.verify:
        is_finished = Record.load(folder.record)["state"] == "finished"
        require_intact(folder, *(("",) if is_finished else ("config.yaml", "facts.json")))
    return folder


def _find_run(job: Job) -> Folder | None:
    resume = job.settings.resume
    if job.invocation.sweep is not None:
        own = Folder(job.invocation.sweep / job.identity)
        return own if is_run(own.record) else None
    if resume is None:
        return None
    if resume == "auto":
        return newest_run(Path(job.settings.output_root), job.name, job.identity)
    folder = Folder(find_run(resume))
    if Record.load(folder.record)["identity"] != job.identity:
        saved = read_yaml(folder.config)
        changed = differences(relevant_settings(job.config), relevant_settings(saved))
        raise UserError(
            f"resume={resume}: that run has another config, and resuming would mix the two: {'; '.join(changed[:8])}. "
            "Keep those keys as they were, or start a new run."
        )
    return folder
