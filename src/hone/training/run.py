"""One run, from a checked config to its scores: prepare, assemble, train, score, store."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hone.config.job import Job
from hone.core.hardware import require_devices
from hone.core.log import capture_log, quieten_libraries
from hone.core.redact import remember_secrets
from hone.core.signals import Stop
from hone.reports.run_screen import print_run_summary
from hone.runs.folder import Folder, require_writable
from hone.runs.record import Record
from hone.training.assemble import assemble
from hone.training.fabric import open_fabric
from hone.training.loop import fit
from hone.training.parts import RunParts
from hone.training.prepare import prepare
from hone.training.processes import explained_by_others, is_first, run_on_devices
from hone.training.results import conclude
from hone.training.session import find_run_to_resume, open_session
from hone.training.sizes import Disk
from hone.training.stage_cache import StageCache


def run(job: Job, cache: StageCache) -> float | None:
    """Train on as many devices as asked for; return the number that a sweep optimises."""
    if job.settings.devices == 1:
        return train(job, cache)
    return run_on_devices(partial(train, cache=StageCache()), job)  # a cache does not reach other processes


def train(job: Job, cache: StageCache) -> float | None:
    """Do the whole run, in one of its processes. A run that is finished already is only reported."""
    settings = job.settings
    remember_secrets(job.config)  # again, because this may be another process or machine
    quieten_libraries()
    stop = Stop()
    with capture_log() as log, stop.listening():
        parts = RunParts.of(job.config, settings.trust)
        require_writable(Path(settings.output_root))
        folder = find_run_to_resume(job)
        if folder is None or not _is_finished(folder):
            require_devices(settings.accelerator, settings.devices)
            prepared = prepare(parts, settings, cache)
            fabric, precision = open_fabric(settings, folder, parts.optimizer.rounds_at_random, prepared.blank)
            assembled = assemble(parts, settings, fabric, prepared)
            place, optimizer, network = settings.output_root, parts.optimizer, assembled.network
            Disk.of(place, optimizer, precision, network, assembled.course, assembled.rows, folder).require_room()
            origin = assembled.origin(parts) | {"precision": precision}
            with (
                open_session(fabric, job, parts, assembled, origin, folder, log) as (folder, progress),
                explained_by_others(fabric),
                progress.explaining_bad_rows(),
            ):
                progress.resume(fabric, assembled.state)
                progress.begin(assembled.state)
                with stop.deferred(), assembled.state.fast_paths():
                    fit(fabric, assembled.state, assembled.data, progress, stop, settings)
                conclude(fabric, parts.adapter, assembled, progress, folder, job.scored)
    return _report(folder, parts)


def _report(folder: Folder, parts: RunParts) -> float | None:
    record = Record.load(folder.record)
    if is_first():
        print_run_summary(record, parts.tracker.advice())
    return record["best"]["value"] if record["best"] else None


def _is_finished(folder: Folder) -> bool:
    return bool(Record.load(folder.record)["state"] == "finished")
