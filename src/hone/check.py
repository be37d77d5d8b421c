"""Looks a composed config over before anything heavy is imported: trusted targets, known keys, fitting values."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from hone import roles, signatures
from hone.errors import UserError, listed, nearest
from hone.signatures import Parameter, Signature
from hone.wording import as_typed, expectation, literals

_TORCH_OPTIMISER = re.compile(r"torch\.optim\.(\w+\.)?[A-Z]\w*")
_RESERVED = {"_target_", "_partial_"}
_RULES = ConfigDict(coerce_numbers_to_str=True, arbitrary_types_allowed=True, allow_inf_nan=False)


def check(command: str, config: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The settings of a command, and the parts of its config; every value checked and brought to its declared type."""
    kind = _settings_of(command)
    made_of = _parts(kind.made_of)
    words = {name: value for name, value in config.items() if name not in made_of}
    told = kind(**check_arguments(words, f"{kind.__module__}.{kind.__name__}", ""))
    trust = getattr(told, "trust", ())
    absent = {name for name, part in made_of.items() if not part.required and config.get(name) is None}
    parts: dict[str, Any] = {
        name: None if name in absent else _check_part(config.get(name), name, trust) for name in made_of
    }
    if {"dataset", "task"} <= parts.keys():
        roles.require_known(parts["dataset"], parts["task"])
    return told, parts


def sweep_function(command: str) -> str | None:
    """Return the dotted name of what the command does with `-m`, where it sweeps."""
    return getattr(_settings_of(command), "sweeps_with", None)


def _settings_of(command: str) -> Any:
    return getattr(importlib.import_module(f"hone.settings.{command}"), command.capitalize())


def _parts(owner: str | None) -> Mapping[str, Parameter]:
    signature = signatures.signature_of(owner) if owner else None
    return signature.parameters if signature else {}


def _check_part(node: Any, name: str, trust: Iterable[str]) -> dict[str, Any]:
    if not isinstance(node, Mapping) or "_target_" not in node:
        said = f"it is {as_typed(node)}" if node else "there is none"
        raise UserError(f"{name}: expected a section with a class in _target_, but {said}; choose one with {name}=….")
    if "_partial_" in node:
        raise UserError(f"{name}._partial_: this part is made whole; only parts of it may wait for arguments.")
    checked: dict[str, Any] = check_node(node, name, trust)
    return checked


def check_node(node: Any, place: str, trust: Iterable[str]) -> Any:
    """A part of the config with its `_target_`s (nested ones too) trusted and their arguments checked."""
    if isinstance(node, list):
        return [check_node(item, f"{place}[{index}]", trust) for index, item in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    inner = {key: check_node(value, f"{place}.{key}", trust) for key, value in node.items()}
    if "_target_" not in inner:
        return inner
    target = inner["_target_"]
    if not isinstance(target, str):
        raise UserError(f"{place}._target_={as_typed(target)}: expected the dotted name of a class.")
    require_trusted(target, place, trust)
    given = {key: value for key, value in inner.items() if key not in _RESERVED}
    reserved = {key: inner[key] for key in _RESERVED & inner.keys()}
    return reserved | check_arguments(given, target, place, partial=bool(inner.get("_partial_")))


def require_trusted(target: str, place: str, trust: Iterable[str], key: str = "_target_") -> None:
    """Only our own classes, torch's optimisers and the packages the user vouches for may be named in a config."""
    package = target.partition(".")[0]
    allowed = {"hone", *trust, *re.split(r"[,:\s]+", os.environ.get("HONE_TRUST", ""))} - {""}
    if package not in allowed and not _TORCH_OPTIMISER.fullmatch(target):
        raise UserError(
            f"{place}.{key}={target}: not a trusted target, so nothing of it was imported. "
            f"If it is yours, add trust=[{package}] or set HONE_TRUST={package}."
        )


def check_arguments(given: Mapping[str, Any], target: str, place: str, partial: bool = False) -> dict[str, Any]:
    """`given` as `target` declares it; what it does not take, or lacks, is named."""
    signature = signatures.signature_of(target)
    if signature is None:
        _require_source(target, place)
        return dict(given)
    unknown = [name for name in given if name not in signature.parameters and not signature.open]
    if unknown:
        known = [key for key in signature.parameters if not key.startswith("_")]
        hint = nearest(unknown[0], known) or f" It takes {listed(known)}."
        raise UserError(f"{_dotted(place, unknown[0])}: {_owner(target)} takes no such option.{hint}")
    if not partial:
        _require_all(given, signature, target, place)
    return {name: _coerced(value, signature, name, place) for name, value in given.items()}


def _require_source(target: str, place: str) -> None:
    module, _, name = target.rpartition(".")
    if target.startswith(("hone.", "torch.optim.")) and not signatures.exists(target):
        raise UserError(f"{place}._target_={target}: no such class.{nearest(name, signatures.names_in(module))}")


def _require_all(given: Mapping[str, Any], signature: Signature, target: str, place: str) -> None:
    for name, parameter in signature.parameters.items():
        if parameter.required and name not in given:
            raise UserError(f"{_dotted(place, name)}: {_owner(target)} needs this, and it is missing.")


def _coerced(value: Any, signature: Signature, name: str, place: str) -> Any:
    parameter = signature.parameters.get(name)
    if parameter is None or (isinstance(value, Mapping) and "_target_" in value):
        return value
    try:
        coerced = _adapter(signature, name).validate_python(value)
    except PydanticSchemaGenerationError:
        return value
    except ValidationError as error:
        _require_keys(error, _dotted(place, name))
        raise UserError(
            f"{_dotted(place, name)}={as_typed(value)}: {_expected(parameter.type, value, error)}"
        ) from None
    if isinstance(value, bool) and not isinstance(coerced, bool):  # Python counts with them, people do not
        raise UserError(f"{_dotted(place, name)}={as_typed(value)}: expected {expectation(parameter.type)}.")
    return coerced


@cache
def _adapter(signature: Signature, name: str) -> TypeAdapter[Any]:
    """Made once: the runs of a sweep have the same kinds of values."""
    return TypeAdapter(signature.parameters[name].type, config=_RULES)


def _require_keys(error: ValidationError, place: str) -> None:
    """A key that a mapping does not have is named as a misspelt key is anywhere else."""
    for problem in error.errors():
        if problem["loc"][-1:] == ("[key]",):
            key, choices = problem["loc"][-2], re.findall(r"'([^']*)'", problem["ctx"].get("expected", ""))
            raise UserError(
                f"{place}.{key}: no such key.{nearest(key, choices)} There are {listed(choices)}."
            ) from None


def _expected(kind: Any, value: Any, error: ValidationError) -> str:
    """What would have been right, the nearest word of it, and which item of a list is at fault."""
    places = [step for problem in error.errors() for step in problem["loc"] if isinstance(step, int)]
    item = f" Item {places[0]} (counting from 0) is {as_typed(value[places[0]])}." if places else ""
    return f"expected {expectation(kind)}.{nearest(value, literals(kind))}{item}"


def _dotted(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _owner(target: str) -> str:
    name = target.rpartition(".")[2]
    return f"hone {name.lower()}" if target.startswith("hone.settings.") else name
