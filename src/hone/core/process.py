"""What a process does with its memory and its modules: freed memory is kept, imports are not garbage-collected, and a
worker imports the modules that another process has imported."""

from __future__ import annotations

import ctypes
import gc
import importlib
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import ModuleType

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Options of mallopt(3)."""
_NEVER = 2**31 - 1


def keep_memory() -> None:
    """Keep freed memory in the process, where the C library is glibc.

    By default glibc returns large tensors to the kernel, and each new one is faulted in again page by page."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(_MMAP_MAX, 0)
            libc.mallopt(_TRIM_THRESHOLD, _NEVER)


def import_without_gc(name: str) -> ModuleType:
    """Import a module without garbage collection. What exists afterwards is never searched for garbage again."""
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
    """Return the names of the imported modules, except `__main__` and its like, which no other process can import."""
    return {name for name in sys.modules if not name.startswith("__")}


def import_modules(names: Iterable[str]) -> None:
    """Import the modules that are missing, to save time later. One that cannot be imported here is skipped."""
    for name in names:
        if name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)
