"""The command in a child of this process: quicker than a process of its own, and a crash of it ends only the child."""

import faulthandler
import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from traceback import print_exc

from conftest import Outcome

PATIENCE = 120
"""Seconds after which a child is stopped."""
IMPORTED = (
    "commands.train",
    "training.run",
    "data.sources.local",
    "tasks.text.text_classification",
    "models.heads.auto",
)
"""What is imported before the fork, so that no child has to."""


def run_forked(*words: str) -> Outcome:
    """Runs `hone` with these words. The exit code is negative where a signal ended it."""
    from hone.cli import main

    for module in IMPORTED:
        importlib.import_module(f"hone.{module}")

    def command() -> int:
        sys.argv = ["hone", *words]
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call_forked(command)


def call_forked(work: Callable[[], int]) -> Outcome:
    """Calls a function, whose result becomes the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        child = os.fork()
        if child == 0:
            os._exit(_redirected(work, out, err))
        _, status = os.waitpid(child, 0)
        texts = [file.read_text(errors="replace") if file.is_file() else "" for file in (out, err)]
        return Outcome(os.waitstatus_to_exitcode(status), *texts)


def _redirected(work: Callable[[], int], out: Path, err: Path) -> int:
    faulthandler.disable()
    signal.alarm(PATIENCE)
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    try:
        return work()
    except BaseException:
        print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
