"""Whether jobs can run, before any weights are loaded: the cheap checks first, disk space last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.config.job import Job
from hone.core.hardware import require_devices
from hone.core.value_types import ExactPrecision
from hone.runs.folder import Folder, require_writable
from hone.runs.record import Record
from hone.training.course import Monitor
from hone.training.parts import RunParts
from hone.training.precision import resolve_precision
from hone.training.prepare import Prepared, prepare, prepare_without_encoding
from hone.training.session import find_run_to_resume
from hone.training.sizes import Disk
from hone.training.stage_cache import StageCache
from hone.training.workload import Outline


@final
@dataclass(frozen=True)
class Feasible:
    """A job that passed every check."""

    job: Job
    parts: RunParts
    precision: ExactPrecision
    prepared: Prepared
    outline: Outline
    disk: Disk
    resumed: Folder | None
    """The run that it would resume."""


@final
class Preflight:
    """Checks one job after another. What they share is loaded once."""

    def __init__(self, elsewhere: bool = False) -> None:
        self.elsewhere = elsewhere
        """Whether the jobs will run on other machines, with devices of their own."""
        self.store: dict[str, Any] = {}

    def check(self, job: Job) -> Feasible:
        """Raise UserError if `hone train` would, or if it would later run out of disk space."""
        settings = job.settings
        parts, resumed = self._check_place(job)
        before = Record.load(resumed.record)["precision"] if resumed else None
        prepared = prepare(parts, settings, StageCache(job, self.store, remember_mistakes=True), strict=True)
        precision = resolve_precision(settings.precision, settings.accelerator, prepared.blank, before)
        outline = Outline.of(parts, settings, prepared)
        disk = Disk.of(
            settings.output_root, parts.optimizer, precision, prepared.blank, outline.course, prepared.rows, resumed
        )
        disk.require_room()
        return Feasible(job, parts, precision, prepared, outline, disk, resumed)

    def glance(self, job: Job) -> Monitor:
        """Do the checks that need no encoded rows; return the metric that judges the run."""
        parts, _ = self._check_place(job)
        return prepare_without_encoding(
            parts, job.settings, StageCache(job, self.store, remember_mistakes=True), strict=True
        ).monitor

    def _check_place(self, job: Job) -> tuple[RunParts, Folder | None]:
        """Check devices and folder; return the parts of the job and the run that it would resume."""
        settings = job.settings
        if not self.elsewhere:
            require_devices(settings.accelerator, settings.devices)
        parts = RunParts.of(job.config, settings.trust)
        require_writable(Path(settings.output_root))
        return parts, find_run_to_resume(job)


def require_possible(job: Job) -> None:
    """Check a single job."""
    Preflight().check(job)
