"""The devices and the memory of this machine."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path

import torch

from hone.core.errors import UserError
from hone.core.value_types import Accelerator

_RUSAGE_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of `ru_maxrss`."""
_LIMIT_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container finds its memory limit, under cgroups 2 and 1."""


def require_devices(accelerator: Accelerator, devices: int) -> None:
    """Raise UserError if the machine lacks the requested devices."""
    gpus, cores = torch.cuda.device_count(), os.cpu_count() or 1
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise UserError("accelerator=mps: this machine has no Apple GPU.")
    if accelerator == "cuda" and gpus < devices:
        raise UserError(f"accelerator=cuda devices={devices}: this machine has {gpus} GPUs.")
    if accelerator == "auto" and 0 < gpus < devices:
        raise UserError(
            f"devices={devices}: this machine has {gpus} GPUs; for processes on the CPU add accelerator=cpu."
        )
    if devices > max(gpus, cores):
        raise UserError(f"devices={devices}: this machine has {cores} cores, and more processes would only wait.")


def device_of(accelerator: Accelerator) -> str:
    """Return the kind of device that a run will use."""
    if accelerator != "auto":
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def resident_memory() -> int:
    """Return the bytes that this process uses now, or its peak where the system does not report them."""
    return _read_bytes("/proc/self/status", "VmRSS") or peak_memory()


def peak_memory() -> int:
    """Return the most bytes that this process has used so far."""
    peak = _read_bytes("/proc/self/status", "VmHWM")
    return peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RUSAGE_UNIT


def available_memory() -> int:
    """Return the bytes that processes can still get, or 0 where the system does not report them."""
    free = _read_bytes("/proc/meminfo", "MemAvailable")
    if not free and hasattr(os, "sysconf"):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([free, *_container_limits()])


def _read_bytes(file: str, key: str) -> int:
    """Return the value of a line such as `VmRSS:  1234 kB`, or 0 if there is none."""
    try:
        match = re.search(rf"^{key}:\s+(\d+) kB$", Path(file).read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(match[1]) * 1024 if match else 0


def _container_limits() -> list[int]:
    """Return the memory limits of the container, if there are any; "max" stands for none."""
    texts = [Path(file).read_text(encoding="ascii").strip() for file in _LIMIT_FILES if Path(file).is_file()]
    return [int(text) for text in texts if text.isdigit()]
