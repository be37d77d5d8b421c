"""Paths as people read them, and the places and names of the cache."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from hone.core.errors import closest_choice


def cache_folder() -> Path:
    """`HONE_CACHE`, or the usual place for caches."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(os.environ.get("HONE_CACHE") or Path(home, "hone"))


def cache_key(*ingredients: Any) -> str:
    """Return the name of what is made from these ingredients: equal ingredients give equal names."""
    text = json.dumps(ingredients, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def relative_to_cwd(path: str | Path) -> str:
    """A path as seen from here when it lies below, so that it can be copied into a command."""
    absolute = Path(path).absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)


def nearest_path(path: Path) -> str:
    """' Did you mean x?' for what lies where a path leads that is not there."""
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    found = None if path.exists() else closest_choice(path.name, beside, likeness=0.7)
    return f" Did you mean {path.parent / found}?" if found else ""
