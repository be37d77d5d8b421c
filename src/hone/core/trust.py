"""Functions as names in a file: of a module of this package, of somebody's own, or partials of either."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hone.config.check import require_trusted
from hone.core.errors import UserError

_OURS = __name__.rpartition(".")[0]


def name_of(function: Callable[..., Any]) -> dict[str, Any] | None:
    """None where a function has no name by which another process could find it."""
    if isinstance(function, partial):
        named = None if function.args else name_of(function.func)
        return named and named | {"options": dict(function.keywords)}
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if not module or not name.isidentifier():
        return None
    ours = module.startswith(f"{_OURS}.")
    return {"module": module.removeprefix(_OURS) if ours else module, "name": name, "options": {}}


def function_of(named: Mapping[str, Any] | None) -> Callable[[Any], Any]:
    """A ValueError where nobody vouches for its package, or it has no such function."""
    if named is None:
        raise ValueError("a function without a name")
    module, name = str(named["module"]), str(named["name"])
    if not re.fullmatch(r"\.\w+", module):
        _require_vouched(f"{module}.{name}")
    try:
        function = vars(importlib.import_module(module, _OURS))[name]
    except (ImportError, KeyError) as error:
        raise ValueError(f"{module}.{name}") from error
    if getattr(function, "__module__", "") != importlib.util.resolve_name(module, _OURS):
        raise ValueError(f"{module}.{name} is imported from elsewhere")
    return partial(function, **named["options"]) if named["options"] else function


def _require_vouched(target: str) -> None:
    try:
        require_trusted(target, "score", ())
    except UserError as error:
        raise ValueError(target) from error
