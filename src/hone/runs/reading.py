"""How the files of a run or a sweep are read: whatever is wrong with one becomes a `UserError` that names it.

A JSON file that hone rewrites as a whole may be sealed: its last key, `sha256`, is the digest of all the others. So one
changed bit is noticed, although the file changes with every state of the run. A file without the key is not checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from hone.core.errors import UserError, damaged, one_line
from hone.core.paths import relative_to_cwd
from hone.core.redact import redact_known

_SEAL = "sha256"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(relative_to_cwd(path), one_line(error)) from error
    if not isinstance(values, dict):
        raise damaged(relative_to_cwd(path), "expected an object with keys")
    return values


def read_yaml(path: Path, sections: Collection[str] = ()) -> dict[str, Any]:
    """Read a config, which must have these sections."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (both loaders are safe)
    except Exception as error:  # what a parser raises depends on the bytes
        raise damaged(relative_to_cwd(path), one_line(error)) from error
    if not isinstance(values, dict):
        raise damaged(relative_to_cwd(path), "expected keys with values")
    absent = next((name for name in sections if name not in values), None)
    if absent is not None:
        raise damaged(relative_to_cwd(path), f"it has no {absent}")
    return values


def read_sealed(path: Path, keys: Collection[str] | None = None) -> dict[str, Any]:
    """Read a JSON object without its seal, which must be whole. If the object has none, it was written by hand or by an
    earlier version; then a key that is not one of `keys` shows that the seal's own name was damaged."""
    values = read_object(path)
    if _SEAL in values:
        seal = values.pop(_SEAL)
        if seal != _digest(values):
            raise UserError(
                f"{relative_to_cwd(path)}: this file is damaged: its content is not what hone wrote. Restore it from a "
                f"copy; if you changed it on purpose, delete its line {_SEAL!r}."
            )
    elif keys is not None and not values.keys() <= {*keys}:
        raise damaged(relative_to_cwd(path), f"unexpected key {min(values.keys() - {*keys})!r}")
    return values


def sealed_text(values: Mapping[str, Any]) -> str:
    """Return a JSON object as text, with its seal and without secrets. NaN must be gone."""
    content = json.loads(redact_known(json.dumps(values, allow_nan=False)))  # keys become texts, as they will be read
    return json.dumps({**content, _SEAL: _digest(content)}, indent=2, ensure_ascii=False) + "\n"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
