"""A file of JSON lines that several processes append to. A line is complete or absent, whichever process is killed."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError, damaged
from hone.core.files import append_line, make_folder, storing, sync
from hone.runs.identity import differences


@final
@dataclass(frozen=True)
class JsonLines:
    """The file. It only grows."""

    path: Path

    @contextmanager
    def locked(self) -> Iterator[LockedLines]:
        """Lock the file, so that no other process appends to it. The kernel releases the lock if this process dies."""
        with storing(self.path):
            make_folder(self.path.parent)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _drop_torn_tail(descriptor)
            yield LockedLines(self.path, descriptor)
        finally:
            os.close(descriptor)

    def append(self, row: Mapping[str, Any]) -> None:
        with self.locked() as file:
            file.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """Return all complete lines. A last line without a line end is being written, or its writer was killed."""
        try:
            content = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise damaged(self.path, str(error.strerror)) from error
        lines = content[: content.rfind(b"\n") + 1].splitlines()
        return [self._read(line, number) for number, line in enumerate(lines, start=1) if line.strip()]

    def _read(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UserError(
                f"{self.path}, line {number}: this line is damaged. "
                f"Delete that line ({number}) to go on without its content."
            )
        return row


@final
@dataclass(frozen=True)
class LockedLines:
    """The file while this process holds its lock."""

    path: Path
    descriptor: int

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one line. Once this returns, the line survives a crash of the machine."""
        line = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        with storing(self.path):
            is_first = os.fstat(self.descriptor).st_size == 0
            append_line(self.descriptor, line)
            os.fsync(self.descriptor)
            if is_first:
                sync(self.path.parent)


def _drop_torn_tail(descriptor: int) -> None:
    """Cut off what follows the last line end: its writer was killed before it could report the line as written."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)


def begin_or_require_same(lines: JsonLines, about: Mapping[str, Any]) -> None:
    """Write what the file is about into a new file, or check it against an existing one."""
    with lines.locked() as file:
        if not lines.rows():
            file.append({"about": about})
            return
    require_unchanged(lines, about)


def require_unchanged(lines: JsonLines, about: Mapping[str, Any]) -> None:
    """Raise UserError if an existing file is about another sweep."""
    rows = lines.rows()
    before = rows[0].get("about", {}) if rows else about
    changed = differences(about, before)
    if changed:
        raise UserError(
            f"{lines.path}: this sweep was begun with other settings, so its runs and new ones cannot be compared: "
            f"{'; '.join(changed[:6])}. Repeat the command as it was, or begin another sweep: sweep.name=…"
        )
