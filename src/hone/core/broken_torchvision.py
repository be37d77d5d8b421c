"""Hides a torchvision that cannot be imported from transformers, which could not import even BERT beside it.

hone itself does not use torchvision. A torchvision that was built for another torch is installed all too easily: it
fails only when it is imported. The private name of transformers was last seen in transformers 5.23.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from hone.core.errors import one_line

_PACKAGE = "torchvision"


@cache
def hide_broken_torchvision() -> str:
    """Hides torchvision if it is installed and cannot be imported. Returns why, or nothing.

    It has to be called before transformers imports its networks: they look for torchvision only once.
    """
    if find_spec(_PACKAGE) is None:
        return ""
    try:
        importlib.import_module(_PACKAGE)
    except Exception as error:  # a library that was built for another torch raises errors of many kinds
        _hide()
        versions = f"torchvision {_version_of(_PACKAGE)} beside torch {_version_of('torch')}"
        return f"{versions} cannot be imported ({one_line(error)}): transformers runs without it, as if not installed."
    return ""


def _hide() -> None:
    """Lets transformers find that the package is not installed, and keep this answer."""
    from transformers.utils import import_utils

    original = import_utils._is_package_available

    def is_package_available(name: str, *options: Any, **named: Any) -> tuple[bool, str | None]:
        return (False, "N/A") if name == _PACKAGE else original(name, *options, **named)

    vars(import_utils)["_is_package_available"] = is_package_available
    try:
        for check in (import_utils.is_torchvision_available, import_utils.is_torchvision_v2_available):
            check.cache_clear()
            check()
    finally:
        vars(import_utils)["_is_package_available"] = original


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a folder on PYTHONPATH
        return "of unknown version"
