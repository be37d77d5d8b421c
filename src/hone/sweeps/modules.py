"""What one run had to import, the process that starts the others imports for them: theirs begin with it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from contextlib import suppress


def loaded() -> set[str]:
    """The modules there are, but for those that only a program's own file can bring."""
    return {name for name in sys.modules if not name.startswith("__")}


def load(names: Iterable[str]) -> None:
    """Imports those that are missing; one that cannot be imported here was none of this process's business."""
    for name in names:
        if name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)
