"""Whether jobs can be run, before any weights are loaded: the cheap questions first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.config.job import Job
from hone.core.hardware import require_devices
from hone.core.value_types import ExactPrecision
from hone.draft import Draft, draft, sketch
from hone.parts import Parts
from hone.planning.disk import Disk, disk_of
from hone.planning.kept import Kept
from hone.planning.outline import Outline
from hone.precision import settle
from hone.runs.folder import Folder, require_writable
from hone.runs.monitor import Monitor
from hone.runs.record import Record
from hone.runs.resuming import find


@final
@dataclass(frozen=True)
class Feasible:
    """A job with nothing to be said against it."""

    job: Job
    parts: Parts
    precision: ExactPrecision
    draft: Draft
    outline: Outline
    disk: Disk
    found: Folder | None
    """The run it would go on with."""


@final
class Preflight:
    """Checks one job after the other; what they have in common is loaded once."""

    def __init__(self, elsewhere: bool = False) -> None:
        self.elsewhere = elsewhere
        """Whether the jobs will be on other machines, with devices of their own."""
        self.store: dict[str, Any] = {}

    def check(self, job: Job) -> Feasible:
        """Raises UserError with the reason where `hone train` would, or would later run out of disk."""
        settings = job.settings
        parts, found = self._settled(job)
        before = Record.load(found.record)["precision"] if found else None
        precision = settle(settings.precision, settings.accelerator, before)
        known = draft(parts, settings, Kept(self.store, job, mistakes=True), strict=True)
        outline = Outline.of(parts, settings, known)
        disk = disk_of(parts, settings, precision, known, outline)
        disk.require_room()
        return Feasible(job, parts, precision, known, outline, disk, found)

    def glance(self, job: Job) -> Monitor:
        """Raises UserError where that shows before the rows are encoded; else says what the run is judged by."""
        parts, _ = self._settled(job)
        return sketch(parts, job.settings, Kept(self.store, job, mistakes=True), strict=True).monitor

    def _settled(self, job: Job) -> tuple[Parts, Folder | None]:
        """The parts of a job, and the run that it would go on with."""
        settings = job.settings
        if not self.elsewhere:
            require_devices(settings.accelerator, settings.devices)
        parts = Parts.of(job.config, settings.trust)
        require_writable(Path(settings.output_root))
        return parts, find(job)


def require_possible(job: Job) -> None:
    """The same for a single job."""
    Preflight().check(job)
