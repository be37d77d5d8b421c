"""The number that a sweep optimises, as the runs' own config has it."""

from __future__ import annotations

from hone.data.rows import prepare
from hone.job import Job
from hone.material import find_monitor
from hone.parts import Parts
from hone.sweeps.samplers.base import Aim


def aim_of(job: Job) -> Aim:
    """What the run would choose its best model by."""
    parts = Parts.of(job.config, job.settings.trust)
    rows = prepare(parts.dataset, parts.task, job.settings.limit)
    processor = parts.checkpoint.processor(parts.task.auto_processor, rows.facts)
    monitor = find_monitor(job.settings.monitor, parts.task.equip(processor, rows.facts))
    return Aim(f"validation/{monitor.name}", monitor.higher_is_better)
