"""Which tasks could use a data set with these columns: said when the chosen one cannot."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from datasets import Dataset

import hone.tasks
from hone.tasks.base import Task


def every_task() -> Iterator[type[Task]]:
    """The task class of each file in `tasks/`."""
    names = (module.name for module in pkgutil.iter_modules(hone.tasks.__path__) if module.name != "base")
    for name in names:
        for found in vars(importlib.import_module(f"hone.tasks.{name}")).values():
            if isinstance(found, type) and issubclass(found, Task) and found.__module__ == f"hone.tasks.{name}":
                yield found


def fitting_tasks(rows: Dataset, chosen: Task) -> str:
    """' As it is, it fits task=…', for the other tasks whose roles are all there."""
    others = [task for task in every_task() if task is not type(chosen)]
    fits = [task.__module__.rpartition(".")[2] for task in others if {*rows.column_names}.issuperset(task.roles)]
    return f" As it is, it fits task={' or task='.join(fits)}." if fits else ""
