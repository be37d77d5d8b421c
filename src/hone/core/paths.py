"""The cache folder and the names in it, and paths in messages."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from hone.core.errors import closest_choice


def cache_folder() -> Path:
    """Return the folder in `HONE_CACHE`, or `hone` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(os.environ.get("HONE_CACHE") or Path(home, "hone"))


def cache_key(*ingredients: Any) -> str:
    """Return the name of what is made from these ingredients: equal ingredients give equal names."""
    text = json.dumps(ingredients, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def relative_to_cwd(path: str | Path) -> str:
    """Return a path relative to the current folder if it lies below, so that it can be copied into a command."""
    absolute = Path(path).absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)


def nearest_path(path: Path) -> str:
    """Return ' Did you mean x?' for a missing path, if its folder has an entry with a similar name, or ''."""
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    name = None if path.exists() else closest_choice(path.name, siblings, likeness=0.7)
    return f" Did you mean {path.parent / name}?" if name else ""
