"""A gate in a contender's loop, so that contenders take turns on a machine; run as `gate.py MODULE.FUNCTION JSON`.

The driver starts a contender as a separate process and writes `go 12` to its standard input; twelve steps later the
contender answers with a line of JSON and waits. The first step is reported by itself, as it ends the start-up.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from typing import final


@final
class Gate:
    """Counts a contender's steps; `step` is called after each and returns when the next may begin."""

    def __init__(self) -> None:
        self.chunk = self.left = 1
        self.begun = time.perf_counter()
        self.answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(
            sys.stderr.fileno(), sys.stdout.fileno()
        )  # keeps everything else that the contender prints out of the answers

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            self._report()
            self.chunk = self.left = self._wait_for_steps()
            self.begun = time.perf_counter()

    def _report(self) -> None:
        seconds = time.perf_counter() - self.begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.answers.write(json.dumps({"seconds": seconds, "steps": self.chunk, "peak_mb": peak}) + "\n")
        self.answers.flush()

    @staticmethod
    def _wait_for_steps() -> int:
        word, _, steps = sys.stdin.readline().partition(" ")
        if word != "go":
            os._exit(0)
        return int(steps)


if __name__ == "__main__":
    module, _, function = sys.argv[1].partition(".")
    getattr(importlib.import_module(module), function)(json.loads(sys.argv[2]), Gate())
