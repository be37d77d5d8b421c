"""Checks a composed config before anything heavy is imported: trusted targets, known keys, values of the right type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from hone.config import settings, signatures
from hone.config.signatures import Parameter, Signature
from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.trust import require_trusted
from hone.core.wording import as_typed, describe_type, literals

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_RESERVED = {"_target_", "_partial_"}
_RULES = ConfigDict(coerce_numbers_to_str=True, arbitrary_types_allowed=True, allow_inf_nan=False)


def check(command: str, config: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The settings of a command and the other sections of its config, every value converted to its declared type."""
    kind = _settings_class(command)
    elsewhere = {name: Parameter(Any, required=True) for name in getattr(kind, "also_checked", ())}
    sections = {**_sections(kind.made_of), **elsewhere}
    keys = {name: value for name, value in config.items() if name not in sections}
    checked = kind(**check_arguments(keys, f"{kind.__module__}.{kind.__name__}", ""))
    trust = getattr(checked, "trust", ())
    parts: dict[str, Any] = {}
    for name, section in sections.items():
        absent = not section.required and config.get(name) is None
        parts[name] = None if absent else _check_section(config.get(name), name, trust)
    if parts.get("dataset") is not None and parts.get("task") is not None:
        require_known_roles(parts["dataset"], parts["task"])
    return checked, parts


def sweep_function(command: str) -> str | None:
    """The dotted name of what the command does with `-m`, if it sweeps."""
    return getattr(_settings_class(command), "sweeps_with", None)


def _settings_class(command: str) -> Any:
    """The class with the keys of a command: `PredictSettings` for `hone predict`."""
    return getattr(settings, f"{command.capitalize()}Settings")


def _sections(owner: str | None) -> Mapping[str, Parameter]:
    signature = signatures.signature_of(owner) if owner else None
    return signature.parameters if signature else {}


def _check_section(node: Any, name: str, trust: Iterable[str]) -> dict[str, Any]:
    if not isinstance(node, Mapping) or "_target_" not in node:
        problem = f"it is {as_typed(node)}" if node else "there is none"
        raise UserError(
            f"{name}: expected a section with a class in _target_, but {problem}; choose one with {name}=…."
        )
    if "_partial_" in node:
        raise UserError(f"{name}._partial_: this section is a complete object; only sections inside it can be partial.")
    checked: dict[str, Any] = check_node(node, name, trust)
    return checked


def check_node(node: Any, place: str, trust: Iterable[str]) -> Any:
    """A part of the config whose `_target_`s (nested ones too) are trusted and whose arguments are checked."""
    if isinstance(node, list):
        return [check_node(item, f"{place}[{index}]", trust) for index, item in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    inner = {key: check_node(value, f"{place}.{key}", trust) for key, value in node.items()}
    if "_target_" not in inner:
        return inner
    target = inner["_target_"]
    if not isinstance(target, str) or not _DOTTED.fullmatch(target):
        raise UserError(f"{place}._target_={as_typed(target)}: expected the dotted name of a class, package.Class.")
    require_trusted(target, place, trust)
    arguments = {key: value for key, value in inner.items() if key not in _RESERVED}
    reserved = {key: inner[key] for key in _RESERVED & inner.keys()}
    return reserved | check_arguments(arguments, target, place, partial=bool(inner.get("_partial_")))


def check_arguments(given: Mapping[str, Any], target: str, place: str, partial: bool = False) -> dict[str, Any]:
    """`given` converted to the types that `target` declares; an unknown or a missing argument is a UserError."""
    signature = signatures.signature_of(target)
    if signature is None:
        _require_source(target, place)
        return dict(given)
    unknown = [name for name in given if name not in signature.parameters and not signature.open]
    if unknown:
        options = [key for key in signature.parameters if not key.startswith("_")]
        hint = did_you_mean(unknown[0], options) or f" It takes {join_names(options)}."
        raise UserError(f"{_dotted(place, unknown[0])}: {_owner(target)} takes no such option.{hint}")
    if not partial:
        _require_all_arguments(given, signature, target, place)
    return {name: _coerce(value, signature, name, place) for name, value in given.items()}


def _require_source(target: str, place: str) -> None:
    module, _, name = target.rpartition(".")
    if target.startswith(("hone.", "torch.optim.")) and not signatures.exists(target):
        choices = signatures.names_in(module)
        hint = did_you_mean(name, choices) or (f" {module} has {join_names(choices)}." if choices else "")
        raise UserError(f"{place}._target_={target}: no such class.{hint}")


def _require_all_arguments(given: Mapping[str, Any], signature: Signature, target: str, place: str) -> None:
    for name, parameter in signature.parameters.items():
        if parameter.required and name not in given:
            raise UserError(f"{_dotted(place, name)}: {_owner(target)} needs this, and it is missing.")


def _coerce(value: Any, signature: Signature, name: str, place: str) -> Any:
    parameter = signature.parameters.get(name)
    if parameter is None or (isinstance(value, Mapping) and "_target_" in value):
        return value
    key = _dotted(place, name)
    try:
        coerced = _adapter(signature, name).validate_python(value)
    except PydanticSchemaGenerationError:
        return value
    except ValidationError as error:
        _require_valid_keys(error, key)
        raise UserError(f"{key}={as_typed(value)}: {_describe_mismatch(parameter.type, value, error)}") from None
    if isinstance(value, bool) and not isinstance(coerced, bool):  # true is 1 to Python, but not to a user
        raise UserError(f"{key}={as_typed(value)}: expected {describe_type(parameter.type)}.")
    return coerced


@cache
def _adapter(signature: Signature, name: str) -> TypeAdapter[Any]:
    """Cached, because the runs of a sweep share their types."""
    return TypeAdapter(signature.parameters[name].type, config=_RULES)


def _require_valid_keys(error: ValidationError, place: str) -> None:
    """An unknown key of a mapping is reported as a misspelt key is anywhere else."""
    for problem in error.errors():
        if problem["loc"][-1:] == ("[key]",):
            key, choices = problem["loc"][-2], re.findall(r"'([^']*)'", problem["ctx"].get("expected", ""))
            raise UserError(
                f"{place}.{key}: no such key.{did_you_mean(key, choices)} The keys are {join_names(choices)}."
            ) from None


def _describe_mismatch(kind: Any, value: Any, error: ValidationError) -> str:
    """The expected type, the nearest valid word, and which item of a list is wrong."""
    indices = [step for problem in error.errors() for step in problem["loc"] if isinstance(step, int)]
    item = f" Item {indices[0]} (counting from 0) is {as_typed(value[indices[0]])}." if indices else ""
    return f"expected {describe_type(kind)}.{did_you_mean(value, literals(kind))}{item}"


def roles_of(task: str) -> tuple[list[str], list[str]] | None:
    """The required and the optional roles of a task's class, read from its source; None where that is not literal."""
    required, optional = (signatures.constant_of(task, name) for name in ("roles", "optional_roles"))
    return None if required is None or optional is None else (list(required), list(optional))


def require_known_roles(dataset: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    """Refuse columns for roles that the task does not have.

    A column with the role's own name passes: the configs of `local` and `hub`, made for any task, have `text: text`.
    """
    roles, columns = roles_of(str(task["_target_"])), dataset.get("columns")
    if roles is None or not isinstance(columns, Mapping):
        return
    valid = [*roles[0], *roles[1]]
    unknown = [role for role, column in columns.items() if role not in valid and column not in (None, role)]
    if unknown:
        places = ", ".join(f"dataset.columns.{role}" for role in unknown)
        hint = did_you_mean(unknown[0], valid)
        raise UserError(f"{places}: the task has no such role; its roles are {join_names(valid)}.{hint}")


def _dotted(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _owner(target: str) -> str:
    name = target.rpartition(".")[2]
    if not target.startswith("hone.config.settings."):
        return name
    return f"hone {name.removesuffix('Settings').lower()}"
