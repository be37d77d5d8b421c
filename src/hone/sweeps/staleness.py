"""Whether a finished run is stale: its record of code and data differs from those of today."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, final

from hone.config.job import Job
from hone.runs import provenance
from hone.runs.record import Record

_PACKAGES = ("hone-lab", "torch", "transformers")
"""Those whose version can change a result."""


@final
class Staleness:
    """Compares records with today's code and data. Each data set is read once."""

    def __init__(self) -> None:
        self.fingerprints: dict[str, str] = {}

    def reason(self, job: Job, folder: Path) -> str | None:
        """Return what has changed since the run, or None."""
        record = Record.load(folder / "run.json")
        data = record["data"] or {}
        if self._fingerprint(job) != data.get("fingerprint"):
            return f"the data ({data.get('name')}) has changed"
        return self._changed_code(record["git"] or {}) or self._changed_versions(record["versions"] or {})

    @cached_property
    def git(self) -> dict[str, Any]:
        return provenance.git_state()

    @cached_property
    def versions(self) -> dict[str, str]:
        return provenance.package_versions()

    def _changed_code(self, before: Mapping[str, Any]) -> str | None:
        if before.get("sha") == self.git["sha"]:
            return None
        return f"git was at {str(before.get('sha'))[:8]} and is at {str(self.git['sha'])[:8]}"

    def _changed_versions(self, before: Mapping[str, str]) -> str | None:
        changed = [name for name in _PACKAGES if before.get(name) != self.versions.get(name)]
        changes = [f"{name} was {before.get(name)} and is {self.versions.get(name)}" for name in changed]
        return "; ".join(changes) or None

    def _fingerprint(self, job: Job) -> str:
        from hone.data.rows import load_rows  # imports torch, and a sweep is checked before torch is loaded
        from hone.training.parts import RunParts

        key = json.dumps([job.config["dataset"], job.config["task"], job.settings.limit], sort_keys=True, default=str)
        if key not in self.fingerprints:
            parts = RunParts.of(job.config, job.settings.trust)
            self.fingerprints[key] = load_rows(parts.dataset, parts.task, job.settings.limit).fingerprint()
        return self.fingerprints[key]
