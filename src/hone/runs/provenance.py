"""Where a result comes from: the commit, the versions of packages, and the hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from typing import Any

_PACKAGES = (
    "hone-lab", "torch", "transformers", "datasets", "tokenizers", "lightning", "peft", "torchmetrics", "hydra-core",
    "wandb", "numpy", "pyarrow", "safetensors",
)  # fmt: skip


def git_state() -> dict[str, Any]:
    """Return the commit of the current folder, and whether it has uncommitted changes."""
    sha = _git("rev-parse", "HEAD")
    return {"sha": sha or None, "dirty": bool(_git("status", "--porcelain")) if sha else None}


def git_diff() -> str:
    """Return the uncommitted changes as a diff."""
    return _git("diff", "HEAD")


@cache
def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def describe_hardware() -> dict[str, Any]:
    """Describe the machine."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(memory / 2**30, 1),
        "gpus": gpus,
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _git(*arguments: str) -> str:
    """Return the output of a git command, or '' if there is no git or no repository."""
    try:
        result = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True, text=True, timeout=10, check=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()
