"""What a task's results depend on, for the names of what is kept in the cache."""

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


def options(task: Task) -> Mapping[str, Any]:
    """The options the user chose."""
    plain = (str, int, float, list, dict, type(None))
    return {name: value for name, value in vars(task).items() if isinstance(value, plain)}


def code(task: Task, work: Callable[..., Any]) -> str:
    """The code that makes the results: when it has changed, what it made before must not be used.

    The version stands for the files of an installed package. A checkout keeps its version while its files change, and
    so does a task of somebody else.
    """
    classes = [cls for cls in type(task).__mro__ if issubclass(cls, Task) and cls is not Task]
    own = [sys.modules[module] for module in dict.fromkeys([*(cls.__module__ for cls in classes), work.__module__])]
    used = [inspect.getmodule(value) for module in own for value in vars(module).values()]
    helpers = {module.__name__: module for module in used if module and _is_ours(module)}
    modules = [*own, *(helpers[name] for name in sorted(helpers))]
    changing = [module for module in modules if not (_is_installed() and _is_ours(module))]
    return hashlib.sha256("".join([hone.__version__, *map(inspect.getsource, changing)]).encode()).hexdigest()


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.startswith("hone.")


def _is_installed() -> bool:
    """Whether the package lies where installers put one, and not in a checkout."""
    return Path(hone.__file__).is_relative_to(sysconfig.get_path("purelib"))
