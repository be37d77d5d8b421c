"""One process per device: how they are started, how they meet, and how one of them learns why another one has ended."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.multiprocessing as mp
from lightning.fabric import Fabric
from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import distributed
from torch.multiprocessing.spawn import ProcessExitedException, start_processes

from hone.config.job import Job
from hone.core.errors import HoneError, RunError, StopRequest
from hone.core.hardware import device_of, require_devices
from hone.core.signals import handled_by, request

Result = TypeVar("Result")

_GRACE = 60.0
"""Seconds for the other processes to finish when one has ended with an error."""
_ANSWER = timedelta(seconds=5)
"""How long a process waits for the store in which another one has left its reason."""
_REASON = "hone/reason"


def is_first() -> bool:
    """Return whether this process is the one that writes and prints."""
    return bool(getattr(rank_zero_only, "rank", 0) == 0)


def run_on_devices(entry: Callable[[Job], Result], job: Job) -> Result:
    """Call the entry in one process per device, or here if a launcher has started those processes already."""
    world = job.settings.devices
    require_devices(job.settings.accelerator, world)
    if "LOCAL_RANK" in os.environ:
        return entry(job)
    results = mp.get_context("spawn").SimpleQueue()
    started = start_processes(
        _child, (entry, job, world, _free_port(), results), world, join=False, start_method="spawn"
    )
    with _forwarding([process.pid for process in started.processes]) as signals:
        try:
            while not started.join(grace_period=_GRACE):
                continue
        except ProcessExitedException:
            if results.empty() and signals:  # they were ended before there was anything to save
                raise request(signals[0]) from None
            if results.empty():
                raise
    result = results.get()
    if isinstance(result, HoneError | StopRequest):
        raise result
    return cast(Result, result)


def _child(rank: int, entry: Callable[[Job], Any], job: Job, world: int, port: int, results: Any) -> None:
    """Run in one of the processes; Fabric reads its rank from the environment."""
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
        "MASTER_PORT": str(port),
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
    }
    board = _meet(rank, world, port, torch.device(device_of(job.settings.accelerator), rank))
    try:
        result = entry(job)
    except (HoneError, StopRequest) as error:
        with suppress(RuntimeError):  # the first process, which has the store, may have ended before
            board.set(_REASON, str(error))
        results.put(type(error)(*error.args))
        sys.exit(error.exit_code)
    if rank == 0:
        results.put(result)


def _meet(rank: int, world: int, port: int, device: torch.device) -> Any:
    """Connect the processes, and return their store. The one that Lightning would use listens at every address of the
    machine."""
    listening = None
    if rank == 0:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", port))
            listening = bound.detach()  # the store closes it
    store = _store("127.0.0.1", port, world, is_master=rank == 0, master_listen_fd=listening)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        distributed.init_process_group("nccl", store=store, rank=rank, world_size=world, device_id=device)
    else:
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=world)
    return store


def _store(*place: Any, **options: Any) -> Any:
    return cast(Any, distributed).TCPStore(*place, **options)


@contextmanager
def explained_by_others(fabric: Fabric) -> Iterator[None]:
    """Where this process fails because another one has ended, raise RunError with the reason of that one."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, distributed.DistError) or "gloo" in str(error)
        if fabric.world_size == 1 or not lost:
            raise
        raise RunError(_reason_of_another() or "Another process of this run has ended. Was it killed?") from error


def _reason_of_another() -> str | None:
    """Return what another process has said when it ended, if it could say something."""
    place, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    with suppress(RuntimeError):
        board = _store(place, port, is_master=False, wait_for_workers=False, timeout=_ANSWER)
        if board.check([_REASON]):
            return str(board.get(_REASON).decode())
    return None


@contextmanager
def _forwarding(children: Sequence[int]) -> Iterator[list[int]]:
    """Forward signals to the working processes. A Ctrl-C has reached them already. Yields the signals that came."""
    came: list[int] = []

    def forward(number: int, _: Any) -> None:
        came.append(number)
        for child in children if number != signal.SIGINT else ():
            with suppress(ProcessLookupError):
                os.kill(child, number)

    with handled_by(forward):
        yield came


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
