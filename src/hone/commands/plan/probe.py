"""The memory of a run, measured: a separate process takes the run's heaviest steps and reports its peak.

Nothing heavy is imported at the top: the new process first keeps out what it does not need, as the command does.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Sequence
from typing import Any

from hone.config.job import Job
from hone.core.errors import HoneError, RunError, one_line
from hone.core.value_types import ExactPrecision


def measure_peak(job: Job, precision: ExactPrecision, steps: Sequence[int], seconds: float | None = None) -> int | None:
    """Return the most bytes that the process held, in its memory or on a GPU; None if that took over `seconds`."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_peak, args=(job, precision, steps, sender))
    process.start()
    sender.close()  # else `recv` would wait forever for a process that has died
    if not receiver.poll(seconds):
        process.kill()
        process.join()
        return None
    try:
        peak = receiver.recv()
    except EOFError:
        process.join()
        raise RunError(
            f"The process that took the heaviest steps to measure their memory {_cause(process.exitcode)}"
        ) from None
    process.join()
    if isinstance(peak, HoneError):
        raise peak
    return int(peak)


def _cause(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed: there was not enough memory for it."
    return f"ended with {exit_code}."


def _send_peak(job: Job, precision: ExactPrecision, steps: Sequence[int], sender: Any) -> None:
    """The work of the new process: it sends the peak, or the error that prevented it."""
    try:
        sender.send(_peak(job, precision, steps))
    except HoneError as error:
        sender.send(type(error)(*error.args))
    except Exception as error:
        sender.send(RunError(f"The heaviest steps, taken to measure their memory, failed: {one_line(error)}"))


def _peak(job: Job, precision: ExactPrecision, steps: Sequence[int]) -> int:
    """Take each step twice, as an optimiser has state only after its first step, and evaluate the longest rows."""
    import torch

    from hone.commands.plan.pace import StepTimer
    from hone.core import hardware
    from hone.core.log import quieten_libraries

    quieten_libraries()
    logging.getLogger("hone").setLevel(logging.ERROR)  # the command has printed all warnings already
    timer = StepTimer.of(job, precision)
    with timer.train_state.fast_paths():
        for number in (*steps, *steps):
            timer.time_step(next(timer.data.steps(number)))
    timer.time_evaluation("validation", [0])
    on_gpu = timer.fabric.device.type == "cuda"
    return int(torch.cuda.max_memory_reserved()) if on_gpu else hardware.peak_memory()
