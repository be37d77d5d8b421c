"""A file of JSON lines that several processes add to: a line is there whole or not at all, whoever is killed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError
from hone.runs.identity import differences


@final
@dataclass(frozen=True)
class JsonLines:
    """Append-only."""

    path: Path

    @contextmanager
    def locked(self) -> Iterator[LockedLines]:
        """While this is open nobody else adds a line; the kernel ends it when the process dies."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _drop_torn_tail(descriptor)
            yield LockedLines(descriptor)
        finally:
            os.close(descriptor)

    def append(self, row: Mapping[str, Any]) -> None:
        with self.locked() as draft:
            draft.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """All whole lines; one that is still being written, or was cut off at the end, is none."""
        content = self.path.read_bytes() if self.path.is_file() else b""
        lines = content[: content.rfind(b"\n") + 1].splitlines()
        return [self._read(line, number) for number, line in enumerate(lines, start=1) if line.strip()]

    def _read(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UserError(
                f"{self.path}, line {number}: this is no line of ours, something has damaged the file. "
                f"Delete that line ({number}) to go on without what it said."
            )
        return row


@final
@dataclass(frozen=True)
class LockedLines:
    """The file, while it is ours alone."""

    descriptor: int

    def append(self, row: Mapping[str, Any]) -> None:
        """One write; when this returns the line survives the machine."""
        line = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        if os.write(self.descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self.descriptor)


def _drop_torn_tail(descriptor: int) -> None:
    """What is behind the last line end was never whole, and nobody has been told that it was written."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)


_REMEDY = "Give the command as it was, or begin another sweep: sweep.name=…"


def begin_or_require_same(lines: JsonLines, about: Mapping[str, Any]) -> None:
    """Writes it into a new file, and holds an old one to it."""
    with lines.locked() as draft:
        rows = lines.rows()
        if not rows:
            draft.append({"about": about})
            return
    require_unchanged(lines, about)


def require_unchanged(lines: JsonLines, about: Mapping[str, Any]) -> None:
    """Holds an old one to it."""
    rows = lines.rows()
    before = rows[0].get("about", {}) if rows else about
    changed = differences(about, before)
    if changed:
        raise UserError(
            f"{lines.path}: this sweep was begun as another one, and its runs cannot be compared with those asked for "
            f"now: {'; '.join(changed[:6])}. {_REMEDY}"
        )
