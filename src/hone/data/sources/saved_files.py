"""Which files a data set may name: only those in its own folder.

A data set from elsewhere is content, not a config. Its card (`data_files` in the front matter of README.md) and the
JSON files of a saved data set name files, and nothing keeps a name from being `../secret.jsonl` or an absolute path.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hone.core.errors import UserError

_HUB = "hf://datasets/"


def require_own_files(folder: Path) -> None:
    """Raises UserError where a saved data set names a file or a split outside its folder."""
    splits = _named(_read_json(folder / "dataset_dict.json"), "splits")
    _require_plain_names(splits, folder / "dataset_dict.json")
    for part in (folder, *(folder / split for split in splits)):
        files = _named(_read_json(part / "state.json"), "_data_files")
        _require_plain_names((_named(file, "filename") for file in files), part / "state.json")


def require_inside(files: Iterable[str], path: str, described_by: str) -> None:
    """Raises UserError where a data set of the hub, or a folder with the layout of one, names a file outside of it."""
    # Names are compared, and links are not followed: a cache of the hub consists of links.
    folder = os.path.abspath(Path(path).expanduser())  # noqa: PTH100  # `resolve` would follow links
    for file in files:
        if not (
            _is_below(file, folder) or (file.startswith((f"{_HUB}{path}@", f"{_HUB}{path}/")) and ".." not in file)
        ):
            raise UserError(
                f"dataset.path={path}: {described_by} names {file}, which is outside the data set; nothing was read."
            )


def _is_below(file: str, folder: str) -> bool:
    return os.path.normpath(file).startswith(folder.rstrip(os.sep) + os.sep)


def _require_plain_names(names: Iterable[Any], file: Path) -> None:
    for name in names:
        if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or os.sep in name:
            raise UserError(f"{file}: {name!r} is no name of a file in this folder; nothing was read.")


def _named(content: Any, key: str) -> Any:
    """Returns what a JSON object has under a key, or nothing."""
    return (content.get(key) if isinstance(content, dict) else None) or ()


def _read_json(file: Path) -> Any:
    """Returns the content of a file, or nothing where it is missing or damaged, which the library reports."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
