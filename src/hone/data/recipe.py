"""What a task's results depend on, for the names of what is kept in the cache."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from hone.tasks.base import Task


def options(task: Task) -> Mapping[str, Any]:
    """The options the user chose."""
    plain = (str, int, float, list, dict, type(None))
    return {name: value for name, value in vars(task).items() if isinstance(value, plain)}


def code(task: Task, work: Callable[..., Any]) -> str:
    """The code at work: when it has changed, it must not find what it made before."""
    classes = [cls for cls in type(task).__mro__ if issubclass(cls, Task) and cls is not Task]
    modules = [*map(inspect.getmodule, classes), inspect.getmodule(work)]
    return hashlib.sha256("".join(inspect.getsource(module) for module in modules if module).encode()).hexdigest()
