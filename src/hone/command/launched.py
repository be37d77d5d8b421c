"""Runs handed to a launcher of Hydra's (basic, joblib …): it takes a batch, and is back when all have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher

from hone.errors import briefly
from hone.runs.redact import redact_text
from hone.sweeps.ready import Ready
from hone.sweeps.workers import Ended, Workers


@final
class Launched(Workers):
    """The truth about each run is in its own record; what the launcher says counts where there is none."""

    def __init__(self, launcher: Launcher, batch: int) -> None:
        self.launcher, self.batch = launcher, batch
        self.waiting: list[tuple[str, Ready]] = []
        self.first = 0

    @property
    def free(self) -> bool:
        return len(self.waiting) < self.batch

    @property
    def working(self) -> dict[str, float]:
        return {key: 0.0 for key, _ in self.waiting}

    def start(self, key: str, ready: Ready, output: Path) -> None:
        self.waiting.append((key, ready))

    def wait(self, seconds: float) -> list[Ended]:
        """Launches what has been started so far."""
        batch, self.waiting = self.waiting, []
        if not batch:
            time.sleep(seconds)
            return []
        begun = time.monotonic()
        try:
            done: Sequence[Any] = self.launcher.launch([ready.words for _, ready in batch], self.first)
        except (Exception, SystemExit) as error:
            done = [error] * len(batch)
        self.first += len(batch)
        spent = time.monotonic() - begun
        return [(key, _words(each), spent) for (key, _), each in zip(batch, done, strict=True)]

    def ask_all(self, number: int) -> None:
        """Launchers have no way to pass a signal on; those that run here get it from the terminal."""

    def end_all(self) -> None:
        """What has been handed over ends by itself."""


def _words(done: Any) -> dict[str, Any]:
    if isinstance(done, BaseException):
        return {"state": "failed", "reason": redact_text(f"the launcher gave up: {briefly(done)}")}
    if done.status is JobStatus.COMPLETED:
        return {"state": "finished"}
    return {"state": "failed", "reason": redact_text(briefly(done._return_value))}
