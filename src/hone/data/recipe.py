"""What a task's results depend on, for the names of what is kept in the cache."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from hone.tasks.base import Task


def options(task: Task) -> Mapping[str, Any]:
    """The options the user chose."""
    plain = (str, int, float, list, dict, type(None))
    return {name: value for name, value in vars(task).items() if isinstance(value, plain)}


def code(task: Task, work: Callable[..., Any]) -> str:
    """The code at work, and what it uses of ours: when it has changed, it must not find what it made before."""
    classes = [cls for cls in type(task).__mro__ if issubclass(cls, Task) and cls is not Task]
    own = [sys.modules[module] for module in dict.fromkeys([*(cls.__module__ for cls in classes), work.__module__])]
    used = [inspect.getmodule(value) for module in own for value in vars(module).values()]
    helpers = {module.__name__: module for module in used if module and module.__name__.startswith("hone.")}
    modules = [*own, *(helpers[name] for name in sorted(helpers))]
    return hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()
