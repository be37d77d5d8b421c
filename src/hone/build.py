"""The only file that turns config nodes into objects."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, get_type_hints

from hone.adapters.base import Adapter
from hone.batching.base import Batching
from hone.check import require_trusted
from hone.checkpoints.base import Checkpoint
from hone.data.source import Source
from hone.errors import UserError
from hone.heads.base import Head
from hone.optim import Optimizer
from hone.schedulers.base import Scheduler
from hone.tasks.base import Task
from hone.tracking.base import Tracker

Part = TypeVar("Part")


@dataclass(frozen=True)
class Parts:
    """What a run is made of: a field a config group."""

    dataset: Source
    checkpoint: Checkpoint
    task: Task
    head: Head
    adapter: Adapter
    optimizer: Optimizer
    scheduler: Scheduler
    batch: Batching
    tracker: Tracker


def parts(config: Mapping[str, Any], trust: Iterable[str]) -> Parts:
    """Every part of a checked config."""
    return made(Parts, config, trust)


def made(owner: type[Part], config: Mapping[str, Any], trust: Iterable[str]) -> Part:
    """An object whose fields are sections of a checked config."""
    kinds = get_type_hints(owner)
    return owner(**{name: build(config[name], kind, name, trust) for name, kind in kinds.items()})


def build(node: Mapping[str, Any], kind: type[Part], place: str, trust: Iterable[str]) -> Part:
    """The object a config node describes, which must be a `kind`."""
    return locate(node, kind, place, trust)(**_arguments(node, place, trust))


def locate(node: Mapping[str, Any], kind: type[Part], place: str, trust: Iterable[str]) -> type[Part]:
    """The class a config node names, which must be a `kind`."""
    cls = _locate(str(node["_target_"]), place, trust)
    if not issubclass(cls, kind):
        raise UserError(f"{place}._target_={node['_target_']}: {cls.__name__} is no {kind.__name__}.")
    return cls


def _arguments(node: Mapping[str, Any], place: str, trust: Iterable[str]) -> dict[str, Any]:
    return {key: _value(value, f"{place}.{key}", trust) for key, value in node.items() if key != "_target_"}


def _value(value: Any, place: str, trust: Iterable[str]) -> Any:
    if not isinstance(value, Mapping) or "_target_" not in value:
        return value
    arguments = _arguments(value, place, trust)
    cls = _locate(str(value["_target_"]), place, trust)
    return partial(cls, **arguments) if arguments.pop("_partial_", False) else cls(**arguments)


def _locate(target: str, place: str, trust: Iterable[str]) -> type:
    require_trusted(target, place, trust)
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{place}._target_={target}: {error}") from error
    if not isinstance(found, type):
        raise UserError(f"{place}._target_={target}: a target is a class, and this is none.")
    # A module shows what it imports as attributes of its own: those are not its to give.
    require_trusted(f"{found.__module__}.{found.__name__}", place, trust)
    return found
