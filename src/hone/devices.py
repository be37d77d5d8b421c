"""Fabric for the settings, and a process for each device."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

import torch.multiprocessing as mp
from lightning.fabric import Fabric
from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException, start_processes

from hone.config.job import Job
from hone.core.errors import HoneError
from hone.core.hardware import require_devices
from hone.core.process import keep_memory
from hone.core.value_types import Accelerator, ExactPrecision
from hone.plugins import plugins
from hone.precision import settle_products

Result = TypeVar("Result")

_GRACE = 60.0  # seconds for the other processes to put things in order when one has ended with an error


def make_fabric(accelerator: Accelerator, precision: ExactPrecision, devices: int = 1) -> Fabric:
    """A launched Fabric on the devices that are asked for, which must be there."""
    require_devices(accelerator, devices)
    keep_memory()
    strategy = "ddp" if devices > 1 else "auto"
    fabric = Fabric(accelerator=accelerator, devices=devices, strategy=strategy, **plugins(precision, accelerator))
    fabric.launch()
    settle_products(fabric.device, precision)
    return fabric


def add_up(fabric: Fabric, values: Tensor) -> list[float]:
    """The sums over all processes."""
    if fabric.world_size > 1:
        values = cast(Tensor, fabric.all_reduce(values.to(fabric.device), reduce_op="sum"))
    return [float(value) for value in values]


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return bool(getattr(rank_zero_only, "rank", 0) == 0)


def spread(entry: Callable[[Job], Result], job: Job) -> Result:
    """Calls the entry here, or in a process for each device unless a launcher has started those already."""
    world = job.settings.devices
    require_devices(job.settings.accelerator, world)
    if world == 1 or "LOCAL_RANK" in os.environ:
        return entry(job)
    results = mp.get_context("spawn").SimpleQueue()
    started = start_processes(
        _child, (entry, job, world, _free_port(), results), world, join=False, start_method="spawn"
    )
    with _forwarding([process.pid for process in started.processes]):
        try:
            while not started.join(grace_period=_GRACE):
                continue
        except ProcessExitedException:
            if results.empty():
                raise
    result = results.get()
    if isinstance(result, HoneError):
        raise result
    return cast(Result, result)


def _child(rank: int, entry: Callable[[Job], Any], job: Job, world: int, port: int, results: Any) -> None:
    """One of the processes; Fabric finds its place in the environment."""
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
        "MASTER_PORT": str(port),
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
    }
    try:
        result = entry(job)
    except HoneError as error:
        results.put(type(error)(*error.args))
        sys.exit(error.exit_code)
    if rank == 0:
        results.put(result)


@contextmanager
def _forwarding(children: Sequence[int]) -> Iterator[None]:
    """Signals sent to this process reach the ones that work; a Ctrl-C has reached them already."""

    def forward(number: int, _: Any) -> None:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
