"""What the server has been told."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Run:
    """A run, as W&B keeps it."""

    name: str
    project: str
    entity: str
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    """Display name, group, job type, tags, notes."""
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None
    preempting: bool = False
    sweep: str | None = None

    @property
    def state(self) -> str:
        if self.exit_code is None:
            return "running"
        ended = "preempted" if self.preempting else "failed"
        return "finished" if self.exit_code == 0 else ended


@dataclass
class Sweep:
    """A sweep that hands out the points of its grid, one a heartbeat of an idle agent."""

    name: str
    config: str
    points: list[dict[str, Any]] = field(default_factory=list)
    given: int = 0


@dataclass
class Artifact:
    """A version of one, as W&B keeps it; pending until it is committed."""

    id: str
    collection: str
    type: str
    digest: str
    project: str
    entity: str
    metadata: dict[str, Any] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    version: int | None = None
    made_by: str = ""
    used_by: list[str] = field(default_factory=list)
    manifest: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.collection}:v{self.version}"

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """What its manifest names: files and references."""
        found: dict[str, dict[str, Any]] = loads(self.manifest.decode()).get("contents", {})
        return found


@dataclass
class State:
    """All of it; requests come from several threads."""

    runs: dict[str, Run] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    """The ids of runs that somebody has deleted, which are never given again."""
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    """Every request whole, but for the header that carries the key; unpacked."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def run(self, name: str, project: str = "", entity: str = "") -> Run:
        return self.runs.setdefault(name, Run(name, project or "hone", entity or "someone"))

    def versions(self, entity: str, project: str, collection: str) -> list[Artifact]:
        """The committed ones of a collection, oldest first."""
        place = (entity, project, collection)
        ours = [each for each in self.artifacts.values() if (each.entity, each.project, each.collection) == place]
        return sorted((each for each in ours if each.version is not None), key=lambda each: each.version or 0)


def loads(text: str | None) -> Any:
    """JSON inside JSON, of which W&B's protocol has a lot."""
    return json.loads(text) if text else {}
