"""Hides a torchvision that cannot be imported from transformers and Lightning, which could not be imported beside it.

hone does not use torchvision. One that was built for another torch is easily installed, and fails only when something
imports it: transformers does for BERT, and Lightning for its metrics. The private names were last seen in transformers
5.23 and lightning-utilities 0.15.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from hone.core.errors import one_line

_PACKAGE = "torchvision"


@cache
def hide_broken_torchvision() -> str:
    """Hides torchvision if it is installed and cannot be imported. Returns why, or nothing.

    It has to be called before the libraries are imported: they look for torchvision only once.
    """
    if find_spec(_PACKAGE) is None:
        return ""
    try:
        importlib.import_module(_PACKAGE)
    except Exception as error:  # a library that was built for another torch raises errors of many kinds
        versions = f"torchvision {_version_of(_PACKAGE)} beside torch {_version_of('torch')}"
        _hide_from_transformers()
        _hide_from_lightning()
        return f"{versions} cannot be imported ({one_line(error)}): it is ignored, as if it were not installed."
    return ""


def _hide_from_transformers() -> None:
    from transformers.utils import import_utils

    original = import_utils._is_package_available

    def is_package_available(name: str, *options: Any, **named: Any) -> tuple[bool, str | None]:
        return (False, "N/A") if name == _PACKAGE else original(name, *options, **named)

    with _replaced(import_utils, "_is_package_available", is_package_available):
        for check in (import_utils.is_torchvision_available, import_utils.is_torchvision_v2_available):
            check.cache_clear()
            check()  # the answer is cached


def _hide_from_lightning() -> None:
    from lightning_utilities.core import imports

    original: Any = vars(imports)["_version"]

    def installed_version(name: str) -> str:
        if name == _PACKAGE:
            raise PackageNotFoundError(name)
        return str(original(name))

    vars(imports)["_version"] = installed_version  # it is asked again and again
    with _replaced(imports, "find_spec", lambda name: None):
        imports.package_available(_PACKAGE)  # the answer is cached


@contextmanager
def _replaced(module: ModuleType, name: str, function: Callable[..., Any]) -> Iterator[None]:
    original = vars(module)[name]
    vars(module)[name] = function
    try:
        yield
    finally:
        vars(module)[name] = original


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a folder on PYTHONPATH
        return "of unknown version"
