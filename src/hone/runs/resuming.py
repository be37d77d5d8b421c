"""Which run a job goes on with, if it is to go on with one."""

from __future__ import annotations

from pathlib import Path

import yaml

from hone.config.job import Job
from hone.core.errors import UserError
from hone.runs.folder import Folder, is_run, newest
from hone.runs.identity import differences, relevant
from hone.runs.record import Record, find_run


def find(job: Job) -> Folder | None:
    """The folder of the run to go on with, if there is one; it must be the run that the config describes."""
    resume = job.settings.resume
    if job.invocation.sweep is not None:
        own = Folder(job.invocation.sweep / job.identity)
        return own if is_run(own.record) else None
    if resume is None:
        return None
    if resume == "auto":
        return newest(Path(job.settings.output_root), job.name, job.identity)
    folder = Folder(find_run(resume))
    if Record.load(folder.record)["identity"] != job.identity:
        saved = yaml.safe_load(folder.config.read_text(encoding="utf-8"))
        changed = differences(relevant(job.config), relevant(saved))
        raise UserError(
            f"resume={resume}: that run was another one, and going on would mix the two: {'; '.join(changed[:8])}. "
            "Leave those keys as they were, or start a new run."
        )
    return folder
