"""One process per run, forked from this one. Whatever a run does to its process, no other run is affected."""

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

Work = Callable[[], Mapping[str, Any]]
"""A function that runs in the child process. Its result is sent to the parent as JSON."""

_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@final
@dataclass(frozen=True)
class Slot:
    """The share of the machine that one run gets."""

    threads: int
    environment: dict[str, str] = field(default_factory=dict)


def find_slots(workers: Workers, trials_per_gpu: int, devices: int) -> list[Slot]:
    """Return one slot per worker; raise UserError if the machine has too few. A single run uses `devices` devices."""
    import torch

    cores, gpus = len(os.sched_getaffinity(0)), torch.cuda.device_count()
    if gpus:
        threads = max(1, cores // gpus)
        slots = [Slot(threads, {"CUDA_VISIBLE_DEVICES": names}) for names in _gpu_groups(gpus, devices)]
        slots *= trials_per_gpu
    else:
        count = max(1, cores // devices) if workers == "auto" else min(workers, cores)
        slots = [Slot(max(1, cores // count))] * count
    if workers == "auto":
        return slots
    if workers > len(slots):
        size = f"{gpus} GPUs with trials_per_gpu={trials_per_gpu}" if gpus else f"{cores} cores"
        raise UserError(
            f"sweep.workers={workers}: this machine has {size}, and more runs at a time would only slow each other "
            f"down; set sweep.workers={len(slots)}, or auto."
        )
    return slots[:workers]


def _gpu_groups(count: int, devices: int) -> list[str]:
    """Return the visible GPUs, grouped by the number that a run needs."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name for name in visible.split(",") if name] or [str(number) for number in range(count)]
    return [",".join(names[start : start + devices]) for start in range(0, len(names) - devices + 1, devices)]


@final
class RunProcess:
    """The process of a run, as its parent sees it."""

    def __init__(self, work: Work, slot: Slot, output: Path) -> None:
        self.slot = slot
        self.begun = time.monotonic()
        self.asked_to_end: float | None = None
        # The result travels in a file: a full pipe would block the child.
        self.result_file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _run_child(work, slot, output, self.result_file, parent)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it still exists."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def result(self) -> Mapping[str, Any] | None:
        """Return None while the process is alive, then its result, or a failure if it ended without one."""
        pid, status, _ = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        with self.result_file as file:
            file.seek(0)
            text = file.read()
        if text:
            return dict(json.loads(text))
        return {"state": "failed", "reason": _cause_of_death(os.waitstatus_to_exitcode(status))}


def _cause_of_death(code: int) -> str:
    """Say why a process ended without a result."""
    if code >= 0:
        return f"the process ended early, with exit code {code}"
    name = signal.Signals(-code).name
    why = {"SIGKILL": ", as the kernel does when memory runs out", "SIGSEGV": ", a crash in native code"}
    return f"the process was ended by {name}{why.get(name, '')}"


def _run_child(work: Work, slot: Slot, output: Path, result_file: IO[str], parent: int) -> NoReturn:
    """Do everything the child does. It leaves through `os._exit`, so that it never cleans up what its parent owns."""
    code = 1
    try:
        _set_up_child(slot, output, parent)
        result = json.dumps(work())
        result_file.write(result)
        result_file.flush()
        code = 0
    except BaseException as error:
        print_traceback(error)
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _set_up_child(slot: Slot, output: Path, parent: int) -> None:
    if sys.platform == "linux":  # elsewhere, the parent asks its runs to end when it ends itself
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # no run outlives its sweep
    if os.getppid() != parent:  # the parent died before prctl took effect
        os._exit(1)
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    with output.open("ab") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ |= {"OMP_NUM_THREADS": str(slot.threads), **slot.environment}
    import torch

    torch.set_num_threads(slot.threads)
