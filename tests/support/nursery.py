"""A warm process that `hone` commands are forked from, and killed in: a second a run instead of five.

Run as `python nursery.py`: a line of JSON in says what to run and when to kill it; a line out says what came of it.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PHASES = (
    "before", "init", "catching up", "steps", "evaluation", "checkpoint", "conclusion", "last row", "finish", "after",
)  # fmt: skip
_PR_SET_PDEATHSIG = 1


class Marks:
    """Where the child is, in memory that its parent sees: the phase, and how often each was entered."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 1 + len(PHASES))

    def enter(self, phase: str) -> None:
        number = PHASES.index(phase)
        self.memory[1 + number] = min(255, self.memory[1 + number] + 1)
        self.memory[0] = number

    @property
    def phase(self) -> str:
        return PHASES[self.memory[0]]

    def entered(self, phase: str) -> int:
        return self.memory[1 + PHASES.index(phase)]

    def around(self, owner: Any, name: str, phase: str, then: str = "steps") -> None:
        """While this method is at work it is that phase, and then another."""
        real = getattr(owner, name)

        def marked(*inputs: Any, **options: Any) -> Any:
            self.enter(phase)
            try:
                return real(*inputs, **options)
            finally:
                self.enter(then)

        setattr(owner, name, marked)

    def everywhere(self) -> None:
        """In the child alone, so that nothing has to be undone."""
        from hone.runs.snapshots import Snapshots
        from hone.tracking.wandb.tracker import WandbTracker
        from hone.training import loop
        from hone.training.listeners import RunListeners
        from hone.training.progress import RunProgress

        self.enter("before")
        self.around(WandbTracker, "start", "init", "catching up")
        self.around(RunListeners, "begin", "catching up")
        self.around(loop, "_evaluate", "evaluation")
        self.around(Snapshots, "save", "checkpoint")
        self.around(RunProgress, "choose_best", "conclusion", "conclusion")
        self.around(RunProgress, "concluded", "last row", "last row")
        self.around(WandbTracker, "keep", "finish", "finish")
        self.around(WandbTracker, "finish", "finish", "after")


def child(words: list[str], env: dict[str, str], output: str, prepare: Callable[[], None]) -> int:
    """Forks a `hone` command, in a session of its own; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with Path(output).open("ab") as file, Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.environ |= env
        code = command(words, prepare)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command(words: list[str], prepare: Callable[[], None]) -> int:
    from hone.cli import main

    prepare()
    sys.argv = ["hone", *words]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)


def perform(told: dict[str, Any]) -> dict[str, Any]:
    """Runs a command to its end or to its kill: `share` of the usual seconds after the `nth` time a phase begins."""
    marks, kill = Marks(), told.get("kill")
    begun = time.monotonic()
    pid = child(told["words"], told.get("env", {}), told["output"], marks.everywhere)
    due = None
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        now = time.monotonic()
        if kill and due is None and marks.entered(kill["phase"]) >= kill["nth"]:
            due = now + kill["seconds"]
        if (due is not None and now >= due) or now - begun > 200:
            (os.killpg if kill and kill["whole"] else os.kill)(pid, signal.SIGKILL)
            ended = os.waitpid(pid, 0)
            break
        time.sleep(0.0005 if kill else 0.005)
    code = os.waitstatus_to_exitcode(ended[1])
    return {"code": code, "phase": marks.phase if code < 0 else None, "seconds": time.monotonic() - begun}


def warm_up(folder: str) -> None:
    """Imports what a run of the same kind had to import."""
    from hone.core.process import import_modules, loaded_modules

    found = Path(folder, "modules.json")
    words = json.loads(Path(folder, "warm.json").read_text(encoding="utf-8"))
    pid = os.fork()
    if pid == 0:
        before = loaded_modules()
        os.dup2(os.open(f"{folder}/warm.txt", os.O_CREAT | os.O_WRONLY), 2)
        os.dup2(2, 1)
        code = command(words, lambda: None)
        found.write_text(json.dumps(sorted(loaded_modules() - before)), encoding="utf-8")
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status:
        sys.exit(Path(folder, "warm.txt").read_text(encoding="utf-8"))
    import_modules(json.loads(found.read_text(encoding="utf-8")))
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    warm_up(sys.argv[1])
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(perform(json.loads(line))), flush=True)
