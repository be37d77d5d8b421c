"""The allowlist of code that a config or a file may name, and functions that are stored by name."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from hone.core.errors import UserError

_SCORES = re.compile(r"hone\.(core\.metric|tasks\.metrics\.\w+)")
_TORCH_OPTIMISER = re.compile(r"torch\.optim\.(\w+\.)?[A-Z]\w*")
_RESERVED = {"trust", "trust_remote_code", "hydra"}


def only_for_the_user(key: str) -> bool:
    """Whether the key of an override, such as `+hydra.job.chdir`, is one that only the user may set."""
    return bool({*re.split(r"[./@:]", key.lstrip("+~"))} & _RESERVED)


def trusted_by_environment() -> set[str]:
    """The packages in HONE_TRUST."""
    return {*re.split(r"[,:\s]+", os.environ.get("HONE_TRUST", ""))} - {""}


def remote_code_allowed() -> bool:
    """Whether HONE_TRUST_REMOTE_CODE allows any config to run the code that comes with a checkpoint."""
    return os.environ.get("HONE_TRUST_REMOTE_CODE", "").lower() in ("1", "true")


def needs_remote_code(error: BaseException) -> bool:
    """Whether transformers refuses to load something because it comes with code of its own."""
    return "custom code" in str(error)


def require_trusted(target: str, place: str, trust: Iterable[str], key: str = "_target_") -> None:
    """Raise UserError unless the target belongs to hone, to torch.optim, or to a package that the user trusts."""
    package = target.partition(".")[0]
    allowed = {"hone", *trust, *trusted_by_environment()}
    if package not in allowed and not _TORCH_OPTIMISER.fullmatch(target):
        raise UserError(
            f"{place}.{key}={target}: not a trusted target, so it was not imported. "
            f"If the package is yours, add trust=[{package}] or set HONE_TRUST={package}."
        )


def name_of(function: Callable[..., Any]) -> dict[str, Any] | None:
    """Return what a file stores for a function, or None if another process could not find it by name."""
    if isinstance(function, partial):
        inner = None if function.args else name_of(function.func)
        return inner and inner | {"options": dict(function.keywords)}
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    return {"module": module, "name": name, "options": {}} if module and name.isidentifier() else None


def function_of(stored: Mapping[str, Any] | None) -> Callable[[Any], Any]:
    """Import a stored function. Raises ValueError if its package is not trusted or has no such function."""
    if stored is None:
        raise ValueError("this function has no name to import it by")
    module, name = str(stored["module"]), str(stored["name"])
    if not _SCORES.fullmatch(module):
        _require_trusted_package(module, name)
    try:
        function = vars(importlib.import_module(module))[name]
    except (ImportError, KeyError) as error:
        raise ValueError(f"{module}.{name}") from error
    if getattr(function, "__module__", "") != module:
        raise ValueError(f"{module}.{name} is imported from elsewhere")
    return partial(function, **stored["options"]) if stored["options"] else function


def _require_trusted_package(module: str, name: str) -> None:
    if module.partition(".")[0] == "hone":  # of hone's own functions a file may name only those in modules of scores
        raise ValueError(f"{module}.{name} does not compute a score")
    try:
        require_trusted(f"{module}.{name}", "score", ())
    except UserError as error:
        raise ValueError(f"{module}.{name}") from error
