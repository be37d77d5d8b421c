"""The devices of this machine."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path

import torch

from hone.core.errors import UserError
from hone.core.value_types import Accelerator


def require_devices(accelerator: Accelerator, devices: int) -> None:
    """Raises UserError where the machine lacks what is asked for."""
    gpus, cores = torch.cuda.device_count(), os.cpu_count() or 1
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise UserError("accelerator=mps: this machine has no Apple GPU.")
    if accelerator == "cuda" and gpus < devices:
        raise UserError(f"accelerator=cuda devices={devices}: this machine has {gpus} GPUs.")
    if accelerator == "auto" and 0 < gpus < devices:
        raise UserError(
            f"devices={devices}: this machine has {gpus} GPUs; for processes on the CPU say accelerator=cpu."
        )
    if devices > max(gpus, cores):
        raise UserError(f"devices={devices}: this machine has {cores} cores, and a process each would only wait.")


def device_of(accelerator: Accelerator) -> str:
    """The kind of device that a run will be on."""
    if accelerator != "auto":
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def resident_memory() -> int:
    """The memory that this process has; where nobody says, the most it had."""
    return _said("/proc/self/status", "VmRSS") or peak_memory()


def peak_memory() -> int:
    """The most that it had so far."""
    return _said("/proc/self/status", "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PER_UNIT


def available_memory() -> int:
    """What processes can still have; zero where nobody says."""
    free = _said("/proc/meminfo", "MemAvailable")
    if not free and hasattr(os, "sysconf"):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([free, *_limits()])


def _said(file: str, word: str) -> int:
    try:
        found = re.search(rf"^{word}:\s+(\d+) kB$", Path(file).read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _limits() -> list[int]:
    """Those of a container."""
    texts = [Path(file).read_text(encoding="ascii").strip() for file in _LIMITS if Path(file).is_file()]
    return [int(text) for text in texts if text.isdigit()]
