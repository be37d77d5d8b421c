"""Processes that make the steps of the loop, so that decoding files does not hold up a GPU.

Each makes every so-many-th step as a whole. Steps depend on their number alone, so they are the same as the loop's own.
Their content goes through pipes and not through shared memory, which containers often lack. A worker waits until its
step is taken, so each is one step ahead.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, final

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from hone.core.errors import HoneError, RunError, UserError
from hone.core.log import quieten_libraries
from hone.core.signals import STOPPING
from hone.data.module import DataModule, Step

_MOST = 4
_PR_SET_PDEATHSIG = 1
"""An option of prctl(2)."""


@final
@dataclass(frozen=True)
class _Array:
    """A tensor's values on their way: arrays are pickled in one piece, tensors are not."""

    values: Any


def count_workers(device: torch.device, data: DataModule) -> int:
    """Return the number of workers of this process. On a CPU they would take the cores of the loop, and without files
    to decode there is little to do."""
    if data.workers != "auto":
        return data.workers
    if device.type == "cpu" or not data.task.media:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(cores // data.world - 1, _MOST), 0)


@contextmanager
def steps_made(data: DataModule, first: int, count: int, workers: int) -> Iterator[Iterator[Step]]:
    """Inside, there are this many steps from `first` on, made by workers or, without any, when they are asked for."""
    if not workers:
        yield islice(data.steps(first), count)
        return
    started: list[tuple[SpawnProcess, Connection]] = []
    try:
        content = _pickle(data, workers)
        started.extend(
            _start(content, first + number, workers, len(range(number, count, workers)))
            for number in range(min(workers, count))
        )
        yield _receive(started, count)
    finally:
        for process, connection in started:
            process.kill()
            process.join()
            connection.close()


def _pickle(data: DataModule, workers: int) -> bytes:
    try:
        return pickle.dumps(data.for_training())
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UserError(
            f"workers={workers}: the task or its data cannot be sent to other processes ({error}). Use workers=0."
        ) from error


def _start(content: bytes, first: int, every: int, count: int) -> tuple[SpawnProcess, Connection]:
    """Start a worker that no signal to the whole group stops: the loop ends it when it has saved the run."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (theirs, content, first, every, count, os.getpid())
    process = context.Process(target=_work, args=arguments, name=f"hone-worker-{first}", daemon=True)
    resource_tracker.ensure_running()  # it unblocks signals when it starts
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    theirs.close()  # so that reading ends when the worker does
    return process, ours


def _receive(started: list[tuple[SpawnProcess, Connection]], count: int) -> Generator[Step]:
    """Yield the steps in order. Raise a worker's error where its step would be."""
    for number in range(count):
        process, connection = started[number % len(started)]
        try:
            result = pickle.loads(connection.recv_bytes())  # noqa: S301 (it comes from our own process)
        except EOFError:
            process.join()
            raise RunError(
                f"A worker ended with exit code {process.exitcode}. If memory ran out, use fewer workers."
            ) from None
        if isinstance(result, BaseException):
            raise result
        yield replace(
            result, batches=apply_to_collection(result.batches, _Array, lambda array: torch.from_numpy(array.values))
        )


def _work(connection: Connection, content: bytes, first: int, every: int, count: int, parent: int) -> None:
    """Make steps and send each, or the error instead, until all are made or nobody reads them."""
    _end_with(parent)
    quieten_libraries()
    torch.set_num_threads(1)
    with suppress(ConnectionError):
        try:
            for step in islice(pickle.loads(content).steps(first, every), count):  # noqa: S301
                connection.send_bytes(_pickle_step(step))
        except ConnectionError:
            raise
        except Exception as error:
            connection.send_bytes(_pickle_error(error))


def _end_with(parent: int) -> None:
    """End this process when its parent ends, however that happens. Elsewhere than on Linux it ends at its next step."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _pickle_step(step: Step) -> bytes:
    def convert(tensor: Tensor) -> Tensor | _Array:
        return tensor if tensor.dtype == torch.bfloat16 else _Array(tensor.numpy())  # which numpy lacks

    return pickle.dumps(replace(step, batches=apply_to_collection(step.batches, Tensor, convert)), protocol=5)


def _pickle_error(error: Exception) -> bytes:
    if not isinstance(error, HoneError):  # a bug, of which the loop's traceback shows too little
        error.add_note("".join(traceback.format_exception(error)))
    try:
        content = pickle.dumps(error)
        pickle.loads(content)  # noqa: S301 (some can be pickled, but not restored)
    except Exception:
        return pickle.dumps(RuntimeError("".join(traceback.format_exception(error))))
    return content
