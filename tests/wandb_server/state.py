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
    sweep: str | None = None

    @property
    def state(self) -> str:
        if self.exit_code is None:
            return "running"
        return "finished" if self.exit_code == 0 else "failed"


@dataclass
class Sweep:
    """A sweep that hands out the points of its grid, one a heartbeat of an idle agent."""

    name: str
    config: str
    points: list[dict[str, Any]] = field(default_factory=list)
    given: int = 0


@dataclass
class State:
    """All of it; requests come from several threads."""

    runs: dict[str, Run] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def run(self, name: str, project: str = "", entity: str = "") -> Run:
        return self.runs.setdefault(name, Run(name, project or "hone", entity or "someone"))


def loads(text: str | None) -> Any:
    """JSON inside JSON, of which W&B's protocol has a lot."""
    return json.loads(text) if text else {}
