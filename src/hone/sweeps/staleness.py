"""Whether a finished run would come out the same today: its record of code and data beside what is here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, final

from hone.config.job import Job
from hone.data.rows import load_rows
from hone.runs import provenance
from hone.training.parts import RunParts

_MATTERS = ("hone-lab", "torch", "transformers")


@final
class Staleness:
    """Looks at each data set once."""

    def __init__(self) -> None:
        self.fingerprints: dict[str, str] = {}

    def reason(self, job: Job, folder: Path) -> str | None:
        """What has changed since the run, if anything has."""
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if self._data(job) != record["data"]["fingerprint"]:
            return f"the data ({record['data']['name']}) has changed"
        return self._code(record["git"] or {}) or self._versions(record["versions"] or {})

    @cached_property
    def git(self) -> dict[str, Any]:
        return provenance.git_state()

    @cached_property
    def versions(self) -> dict[str, str]:
        return provenance.package_versions()

    def _code(self, before: Mapping[str, Any]) -> str | None:
        if before.get("sha") == self.git["sha"]:
            return None
        return f"git was at {str(before.get('sha'))[:8]} and is at {str(self.git['sha'])[:8]}"

    def _versions(self, before: Mapping[str, str]) -> str | None:
        changed = [name for name in _MATTERS if before.get(name) != self.versions.get(name)]
        return "; ".join(f"{name} was {before.get(name)} and is {self.versions.get(name)}" for name in changed) or None

    def _data(self, job: Job) -> str:
        key = json.dumps([job.config["dataset"], job.config["task"], job.settings.limit], sort_keys=True, default=str)
        if key not in self.fingerprints:
            parts = RunParts.of(job.config, job.settings.trust)
            self.fingerprints[key] = load_rows(parts.dataset, parts.task, job.settings.limit).fingerprint()
        return self.fingerprints[key]
