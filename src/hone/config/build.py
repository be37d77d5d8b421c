"""Turns config nodes into objects; it imports only the modules that they name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, TypeVar, get_type_hints

from hone.config.tree import named_targets
from hone.core.errors import UserError, one_line
from hone.core.trust import require_trusted

Part = TypeVar("Part")


def build_parts(owner: type[Part], config: Mapping[str, Any], trust: Iterable[str]) -> Part:
    """An object whose fields are sections of a checked config."""
    kinds = get_type_hints(owner)
    return owner(**{name: build(config[name], kind, name, trust) for name, kind in kinds.items()})


def build(node: Mapping[str, Any], kind: type, place: str, trust: Iterable[str]) -> Any:
    """The object that a config node describes, which must be a `kind`; no `type[Part]`, for `kind` may be abstract."""
    cls = _import_class(str(node["_target_"]), place, trust)
    if not issubclass(cls, kind):
        raise UserError(f"{place}._target_={node['_target_']}: {cls.__name__} is not a {kind.__name__}.")
    return _make(cls, _build_arguments(node, place, trust), place)


def _make(cls: type, arguments: Mapping[str, Any], place: str) -> Any:
    if inspect.isabstract(cls):
        raise UserError(f"{place}._target_: {cls.__name__} is abstract; name one of the classes that extend it.")
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{place}: no {cls.__name__} can be made with these options ({one_line(error)}).") from error


def _build_arguments(node: Mapping[str, Any], place: str, trust: Iterable[str]) -> dict[str, Any]:
    return {key: _build_value(value, f"{place}.{key}", trust) for key, value in node.items() if key != "_target_"}


def _build_value(value: Any, place: str, trust: Iterable[str]) -> Any:
    if not isinstance(value, Mapping) or "_target_" not in value:
        return value
    arguments = _build_arguments(value, place, trust)
    cls = _import_class(str(value["_target_"]), place, trust)
    if cls.__module__.startswith("hone.") and f"{cls.__module__}.{cls.__name__}" not in named_targets():
        # At the top `kind` decides; here any class would do, and some of them open files when they are made.
        raise UserError(
            f"{place}._target_={value['_target_']}: of hone's own classes, only those that its config files name can "
            "be part of another section."
        )
    return partial(cls, **arguments) if arguments.pop("_partial_", False) else _make(cls, arguments, place)


def _import_class(target: str, place: str, trust: Iterable[str]) -> type:
    require_trusted(target, place, trust)
    module, _, name = target.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{place}._target_={target}: {error}") from error
    if not isinstance(cls, type):
        raise UserError(f"{place}._target_={target}: expected a class, and this is not one.")
    # What a module imports is an attribute of it too, so the class itself must be trusted as well.
    require_trusted(f"{cls.__module__}.{cls.__name__}", place, trust)
    return cls
