"""A process for one run, forked from this one: what it may do to itself, it does to nobody else."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn, final

from hone.core.errors import UserError, print_traceback
from hone.core.value_types import Workers


@final
@dataclass(frozen=True)
class Slot:
    """Room for one run."""

    threads: int
    environment: dict[str, str] = field(default_factory=dict)


def find_slots(workers: Workers, trials_per_gpu: int, devices: int) -> list[Slot]:
    """As many as asked for, which the machine must have; `devices` is how many a single run needs."""
    import torch

    cores, gpus = len(os.sched_getaffinity(0)), torch.cuda.device_count()
    if gpus:
        room = [Slot(max(1, cores // gpus), {"CUDA_VISIBLE_DEVICES": one}) for one in _gpus(gpus, devices)]
        room *= trials_per_gpu
    else:
        count = max(1, cores // devices) if workers == "auto" else min(workers, cores)
        room = [Slot(max(1, cores // count))] * count
    if workers != "auto" and workers > len(room):
        have = f"{gpus} GPUs with trials_per_gpu={trials_per_gpu}" if gpus else f"{cores} cores"
        raise UserError(
            f"sweep.workers={workers}: this machine has {have}, and more runs at a time would only slow each other; "
            f"say sweep.workers={len(room)}, or auto."
        )
    return room if workers == "auto" else room[:workers]


def _gpus(count: int, devices: int) -> list[str]:
    """The visible GPUs in groups of as many as a run needs."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name for name in told.split(",") if name] or [str(number) for number in range(count)]
    return [",".join(names[start : start + devices]) for start in range(0, len(names) - devices + 1, devices)]


Work = Callable[[], Mapping[str, Any]]
"""Runs in the process; what it returns is what the parent hears."""

_PR_SET_PDEATHSIG = 1
_ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@final
class RunProcess:
    """The process, as its parent sees it."""

    def __init__(self, work: Work, place: Slot, output: Path) -> None:
        self.place = place
        self.begun = time.monotonic()
        self.asked_to_end: float | None = None
        self.words = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (a pipe that is full would block)
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _live(work, place, output, self.words, parent)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def signal(self, number: int) -> None:
        """Tells the process something, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self) -> Mapping[str, Any] | None:
        """None while it lives; then its last words, or how it ended without any."""
        pid, status, _ = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        with self.words as file:
            file.seek(0)
            words = file.read()
        if words:
            return dict(json.loads(words))
        return {"state": "failed", "reason": _cause(os.waitstatus_to_exitcode(status))}


def _cause(code: int) -> str:
    """Why a process ended without a word."""
    if code >= 0:
        return f"the process ended with exit code {code} before its time"
    name = signal.Signals(-code).name
    why = {"SIGKILL": ", as the kernel does when memory runs out", "SIGSEGV": ", a crash in native code"}
    return f"the process was ended by {name}{why.get(name, '')}"


def _live(work: Work, place: Slot, output: Path, words: IO[str], parent: int) -> NoReturn:
    """All of the child's life; nothing of the parent's is cleaned up by it."""
    code = 1
    try:
        _settle_in(place, output, parent)
        said = json.dumps(work())
        words.write(said)
        words.flush()
        code = 0
    except BaseException as error:
        print_traceback(error)
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _settle_in(place: Slot, output: Path, parent: int) -> None:
    if sys.platform == "linux":  # elsewhere the parent asks its runs to end when it does
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # no run outlives its sweep
    if os.getppid() != parent:
        os._exit(1)
    for number in _ASKING:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    with output.open("ab") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ |= {"OMP_NUM_THREADS": str(place.threads), **place.environment}
    import torch

    torch.set_num_threads(place.threads)
