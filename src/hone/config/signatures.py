"""Reads what a `_target_` accepts from its source, without importing it: typos are reported before torch is loaded."""

from __future__ import annotations

import ast
import importlib.util
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import hone.core.value_types


@final
@dataclass(frozen=True)
class Parameter:
    """One argument of a target: its type (`Any` if the source does not show it) and whether it is required."""

    type: Any
    required: bool


@final
@dataclass(frozen=True, eq=False)
class Signature:
    """The arguments of a target; if `open`, it accepts further keywords."""

    parameters: Mapping[str, Parameter]
    open: bool = False


@final
class _Names(dict[str, Any]):
    """The names that an annotation may use; any other one means `Any`."""

    def __missing__(self, name: str) -> Any:
        return Any


_NAMES = _Names(
    {name: getattr(typing, name) for name in typing.__all__}
    | {name: value for name, value in vars(hone.core.value_types).items() if not name.startswith("_")}
    | {"Mapping": Mapping, "Path": Path, "bool": bool, "int": int, "float": float, "str": str, "list": list}
    | {"dict": dict, "tuple": tuple, "object": Any}
)

_WITHOUT_ARGUMENTS = {"object", "ABC", "Generic", "Protocol"}


@cache
def signature_of(target: str) -> Signature | None:
    """The signature of the class or function `target` names, or None if the source does not show it."""
    module, _, name = target.rpartition(".")
    definition = _find(module, name)
    if definition is None:
        return None
    home, node = definition
    return (
        _signature_of_function(node, skip=0) if isinstance(node, ast.FunctionDef) else _signature_of_class(home, node)
    )


def exists(target: str) -> bool:
    """Whether the source of `target` can be found."""
    module, _, name = target.rpartition(".")
    return _find(module, name) is not None


def constant_of(target: str, name: str) -> Any:
    """What a class, or a base of it, sets an attribute to; None if the source has no literal value."""
    module, _, cls = target.rpartition(".")
    home, node = _find(module, cls) or (module, None)
    if not isinstance(node, ast.ClassDef):
        return None
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == name and part.value is not None:
            try:
                return ast.literal_eval(part.value)
            except ValueError:
                return None
    inherited = (constant_of(f"{home}.{ast.unparse(base)}", name) for base in node.bases)
    return next((value for value in inherited if value is not None), None)


def names_in(module: str) -> list[str]:
    """The classes that a module defines, or otherwise imports, for a suggestion."""
    own = [node.name for node in _parse(module) if isinstance(node, ast.ClassDef)]
    imports = [node for node in _parse(module) if isinstance(node, ast.ImportFrom)]
    return own or [alias.name for node in imports for alias in node.names if alias.name[:1].isupper()]


def _find(module: str, name: str, depth: int = 0) -> tuple[str, ast.ClassDef | ast.FunctionDef] | None:
    """The definition of a name, and the module that contains it."""
    for node in _parse(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and depth < 3:
            original = next((alias.name for alias in node.names if (alias.asname or alias.name) == name), None)
            if original is not None:
                return _find(_absolute_module(node, module), original, depth + 1)
    return None


def _absolute_module(node: ast.ImportFrom, module: str) -> str:
    if node.level == 0:
        return node.module or ""
    source = _source_file(module)
    package = module.split(".") if source and source.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


@cache
def _parse(module: str) -> list[ast.stmt]:
    source = _source_file(module)
    return ast.parse(source.read_text(encoding="utf-8")).body if source else []


def _source_file(module: str) -> Path | None:
    """The file of a module; only its topmost package is looked up, so that no `__init__` runs."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, *rest)
        for candidate in (path / "__init__.py", path.with_suffix(".py")):
            if candidate.is_file():
                return candidate
    plain = Path(spec.origin) if spec and spec.origin and not rest else None
    return plain if plain and plain.suffix == ".py" and plain.is_file() else None


def _signature_of_function(function: ast.FunctionDef, skip: int) -> Signature:
    arguments = [*function.args.posonlyargs, *function.args.args][skip:]
    optional = len(function.args.defaults)
    parameters = {
        argument.arg: Parameter(_resolve_type(argument.annotation), required=place < len(arguments) - optional)
        for place, argument in enumerate(arguments)
    }
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        parameters[argument.arg] = Parameter(_resolve_type(argument.annotation), required=default is None)
    return Signature(parameters, open=function.args.kwarg is not None)


def _signature_of_class(module: str, node: ast.ClassDef) -> Signature | None:
    """The class's `__init__`, or that of its bases; a dataclass adds its fields to theirs."""
    init = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    if init is not None:
        return _signature_of_function(init, skip=1)
    bases = [_signature_of_base(module, base) for base in node.bases]
    readable = [base for base in bases if base is not None]
    if not _is_dataclass(node):
        return None if len(readable) < len(bases) else next(iter(readable), Signature({}))
    inherited = {name: parameter for base in reversed(readable) for name, parameter in base.parameters.items()}
    return Signature(inherited | dict(_dataclass_fields(node)), open=len(readable) < len(bases))


def _signature_of_base(module: str, base: ast.expr) -> Signature | None:
    plain = base.value if isinstance(base, ast.Subscript) else base
    if not isinstance(plain, ast.Name):
        return None
    if plain.id in _WITHOUT_ARGUMENTS:
        return Signature({})
    home, node = _find(module, plain.id) or (module, None)
    return _signature_of_class(home, node) if isinstance(node, ast.ClassDef) else None


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def _dataclass_fields(node: ast.ClassDef) -> Iterator[tuple[str, Parameter]]:
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if "ClassVar" not in ast.unparse(field.annotation):
            yield field.target.id, Parameter(_resolve_type(field.annotation), required=field.value is None)


@final
class _AttributesToAny(ast.NodeTransformer):
    """Replaces attributes of modules by `Any`: resolving them would mean importing the module."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.Name("Any", ast.Load())


def _resolve_type(annotation: ast.expr | None) -> Any:
    if annotation is None:
        return Any
    quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
    try:
        tree = ast.parse(ast.literal_eval(annotation) if quoted else ast.unparse(annotation), mode="eval")
        return eval(ast.unparse(_AttributesToAny().visit(tree)), {"__builtins__": {}}, _NAMES)  # noqa: S307 (no input)
    except (SyntaxError, TypeError, AttributeError, NameError):
        return Any
