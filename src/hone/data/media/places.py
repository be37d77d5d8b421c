"""Which files rows may name: regular files in the folders of their data set. None of them is opened here."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import final


@final
class Places:
    """The folders in which rows may name files. Without folders, rows may name any file."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._first = str(folders[0].absolute()) if folders else ""
        self._roots = tuple(os.path.realpath(folder) for folder in folders)
        self._seen: dict[str, bool] = {}
        """Whether each folder that rows have named so far is inside: resolving it for every file would take longer."""

    def complete(self, path: str) -> str:
        """Returns a path that is absolute: relative ones begin at the first folder."""
        return os.path.join(self._first or str(Path.cwd()), path)  # noqa: PTH118  # called for every row

    def stamp(self, path: str) -> str | None:
        """Returns the size and the time of change of a file, or None where it cannot be used."""
        status = self._status(path)
        return None if isinstance(status, str) else f"{status.st_size}-{status.st_mtime_ns}"

    def problem(self, path: str) -> str | None:
        """Returns why a file cannot be used, or None where it can."""
        status = self._status(path)
        return status if isinstance(status, str) else None

    def _status(self, path: str) -> os.stat_result | str:
        folder, name = os.path.split(path)
        if folder not in self._seen:
            self._seen[folder] = self._is_inside(folder)
        if not self._seen[folder] or name in ("", ".", ".."):
            return "outside the folder of the data set"
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                if not self._is_inside(path):
                    return "a link to a file outside the folder of the data set"
                status = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError) as error:
            return _describe(error)
        return status if stat.S_ISREG(status.st_mode) else _kind(status.st_mode)

    def _is_inside(self, path: str) -> bool:
        if not self._roots:
            return True
        try:
            real = os.path.realpath(path)
        except ValueError:  # a NUL character
            return False
        return any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in self._roots)


def _kind(mode: int) -> str:
    return "a folder, not a file" if stat.S_ISDIR(mode) else "a pipe or a device, not a file"


def _describe(error: OSError | ValueError) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or str(error)).lower()
