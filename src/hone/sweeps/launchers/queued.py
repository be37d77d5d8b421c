"""What submitit calls in a job, and once more each time the job is queued again."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any, final

from hone.sweeps.launchers.errand import Errand, Running

_SHARE = 0.8
"""Of the time before the end, for the run to save itself; the rest is for queueing again."""


@final
class Queued:
    """A run's folder holds all that it goes on with, so nothing else is to be kept between two goes."""

    def __init__(self, errand: Errand, notice: float, patience: float) -> None:
        self.errand, self.notice, self.patience = errand, notice, patience
        self.running: Running | None = None

    def __call__(self) -> dict[str, Any]:
        self.running = self.errand.begin()
        signal.signal(signal.SIGTERM, self._pass_on)
        words = self.running.words()
        if words["state"] == "preempted" and self.running.asked:
            time.sleep(self.patience)
        return words

    def checkpoint(self) -> Any:
        """Called when time is up, or somebody else needs the machine: what is to be called next time."""
        from submitit.helpers import DelayedSubmission

        if self.running is not None:
            self.running.stop(_SHARE * self.notice)
        return DelayedSubmission(Queued(self.errand, self.notice, self.patience))

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self.running is not None:
            self.running.ask()
