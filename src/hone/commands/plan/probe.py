"""The memory that a run takes, measured: a process of its own takes the run's heaviest steps and tells its peak.

Nothing heavy is imported here: the process first keeps out what it does not need, as the command does.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Sequence
from typing import Any

from hone.config.job import Job
from hone.core.errors import HoneError, RunError
from hone.core.value_types import ExactPrecision


def measured(job: Job, precision: ExactPrecision, steps: Sequence[int]) -> int:
    """The most bytes it had, of its own memory or of a GPU's."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(job, precision, steps, theirs))
    process.start()
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        process.join()
        raise RunError(f"plan.probe=true: the process that took the steps {_end(process.exitcode)}") from None
    process.join()
    if isinstance(told, HoneError):
        raise told
    return int(told)


def _end(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "was killed: there was not enough memory for it."
    return f"ended with {code}."


def _tell(job: Job, precision: ExactPrecision, steps: Sequence[int], told: Any) -> None:
    try:
        told.send(_peak(job, precision, steps))
    except HoneError as error:
        told.send(type(error)(*error.args))


def _peak(job: Job, precision: ExactPrecision, steps: Sequence[int]) -> int:
    """Each step twice, for an optimiser has more to remember after its first; then the longest validation rows."""
    import torch

    from hone.commands.plan.pace import Bench
    from hone.core import hardware as machine
    from hone.core.log import quieten_libraries

    quieten_libraries()
    logging.getLogger("hone").setLevel(logging.ERROR)  # it was all said before
    bench = Bench.of(job, precision)
    with bench.train_state.fast_paths():
        for number in (*steps, *steps):
            bench.takes(next(bench.data.steps(number)))
    bench.evaluates("validation", [0])
    on_gpu = bench.fabric.device.type == "cuda"
    return int(torch.cuda.max_memory_reserved()) if on_gpu else machine.peak_memory()
