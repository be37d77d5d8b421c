"""Standard output and standard error, to which hone can always write.

A full disk, a closed pipe or a lost terminal never ends a run: what cannot be written is dropped, and the command
reports it at its end. A terminal without Unicode gets similar characters."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any, final

from hone.core.foreign_text import for_json, for_screen

_SIMILAR = {
    "–": "-", "—": "-", "…": "...", "±": "+-", "≤": "<=", "≥": ">=", "→": "->", "×": "x", "≈": "~", "█": "#",
}  # fmt: skip
_HANDLER = "hone.similar"


@final
class StandardStream(io.TextIOBase):
    """One of the two streams of the process, whichever object Python has for it at the moment."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.error: OSError | None = None
        """Why the stream was lost, if it was."""

    @property
    def target(self) -> Any:
        stream = sys.stdout if self.number == 1 else sys.stderr
        return getattr(stream, "rich_proxied_file", stream)  # a progress bar's stand-in would write to this stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the class has an attribute there
        return str(getattr(self.target, "encoding", None) or "utf-8")

    def write(self, text: str) -> int:
        try:
            self.target.write(text)
            self.target.flush()
        except OSError as error:
            self.lose(error)
        return len(text)

    def flush(self) -> None:
        try:
            self.target.flush()
        except OSError as error:
            self.lose(error)

    def isatty(self) -> bool:
        return bool(self.target.isatty())

    def fileno(self) -> int:
        return int(self.target.fileno())

    def lose(self, error: OSError) -> None:
        """Remember the error. Whatever is written from now on goes nowhere, what is still in buffers included."""
        self.error = self.error or error
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


out = StandardStream(1)
err = StandardStream(2)


def write_line(text: str, stream: StandardStream = out) -> None:
    """Write a line in which escape sequences and secrets do no harm."""
    stream.write(f"{for_screen(text)}\n")


def write_json(value: Any, indent: int | None = None) -> None:
    """Write a line of JSON for another program to standard output, in ASCII where that has no Unicode."""
    out.write(for_json(value, indent, ascii_only=not out.encoding.lower().startswith("utf")) + "\n")


def open_streams() -> None:
    """Give the process all three standard files, and an encoding that no character fails. Without this, the first
    file that a run opens would become its standard output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    codecs.register_error(_HANDLER, _replace)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (out, err):
        stream.error = None
        if isinstance(stream.target, io.TextIOWrapper):
            stream.target.reconfigure(errors=_HANDLER)


def close_streams() -> str | None:
    """Write what is left, and return why standard output is incomplete. A reader that has read enough is no reason."""
    for stream in (out, err):
        stream.flush()
    if out.error is None or isinstance(out.error, BrokenPipeError):
        return None
    return out.error.strerror or str(out.error)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return similar characters of ASCII for those that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_SIMILAR.get(c) or c.encode("ascii", "backslashreplace").decode() for c in missing), error.end
