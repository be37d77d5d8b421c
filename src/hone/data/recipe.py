"""The parts of a cache key that describe a task: its options, and the code that produces its results."""

from __future__ import annotations

import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import hone
from hone.core.task import Task


def task_options(task: Task) -> Mapping[str, Any]:
    """Returns the options of a task that are plain values, by name."""
    plain = (str, int, float, list, dict, type(None))
    return {name: value for name, value in vars(task).items() if isinstance(value, plain)}


def code_digest(task: Task, function: Callable[..., Any]) -> str:
    """Returns a digest of the code of a task and of a function that uses it: after a change, cached results are stale.

    The version stands for the files of an installed package. A checkout keeps its version while its files change, and
    so does a task from another package: their source is digested.
    """
    classes = [cls for cls in type(task).__mro__ if issubclass(cls, Task) and cls is not Task]
    names = dict.fromkeys([*(cls.__module__ for cls in classes), function.__module__])
    own = [sys.modules[name] for name in names]
    used = [inspect.getmodule(value) for module in own for value in vars(module).values()]
    helpers = {module.__name__: module for module in used if module and _is_ours(module)}
    modules = [*own, *(helpers[name] for name in sorted(helpers))]
    changing = [module for module in modules if not (_is_installed() and _is_ours(module))]
    return hashlib.sha256("".join([hone.__version__, *map(inspect.getsource, changing)]).encode()).hexdigest()


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.startswith("hone.")


def _is_installed() -> bool:
    """Whether the package is where installers put it, and not in a checkout."""
    return Path(hone.__file__).is_relative_to(sysconfig.get_path("purelib"))
