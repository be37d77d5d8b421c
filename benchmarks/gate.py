"""A turnstile in a training loop: so many steps, then a report and a wait, so that contenders take turns on a machine.

The driver starts a contender as a process and says `go` on its standard input; the contender answers with a line of
JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import final


@final
class Gate:
    """Called by a contender after each optimiser step."""

    def __init__(self, chunk: int) -> None:
        self.chunk = chunk
        self.left = 1  # the first step is reported by itself: until then the contender starts up
        self.begun = time.perf_counter()
        self.voice = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else the contender prints goes elsewhere

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            self._report()
            self._wait()
            self.left, self.begun = self.chunk, time.perf_counter()

    def _report(self) -> None:
        seconds = time.perf_counter() - self.begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.voice.write(json.dumps({"seconds": seconds, "steps": self.chunk, "peak_mb": peak}) + "\n")
        self.voice.flush()

    @staticmethod
    def _wait() -> None:
        if sys.stdin.readline().strip() != "go":
            os._exit(0)
