"""Keeps freed memory in the process: by itself glibc gives large tensors back, to fault them in again page by page."""

from __future__ import annotations

import ctypes
import gc
import importlib
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import ModuleType

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt(3)
_NEVER = 2**31 - 1


def keep_memory() -> None:
    """Where there is no glibc, memory goes its usual way."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(_MMAP_MAX, 0)
            libc.mallopt(_TRIM_THRESHOLD, _NEVER)


def import_without_gc(name: str) -> ModuleType:
    """The module. What exists once it is imported is never searched."""
    if name in sys.modules or not gc.isenabled():
        return importlib.import_module(name)
    gc.disable()
    try:
        module = importlib.import_module(name)
        gc.freeze()
        return module
    finally:
        gc.enable()


def loaded_modules() -> set[str]:
    """The modules there are, but for those that only a program's own file can bring."""
    return {name for name in sys.modules if not name.startswith("__")}


def import_modules(names: Iterable[str]) -> None:
    """Imports those that are missing; one that cannot be imported here was none of this process's business."""
    for name in names:
        if name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)
