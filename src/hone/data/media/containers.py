"""The container of a video: which format it is by its first bytes, and whether the file goes on to its end.

A decoder that guesses formats would also take lists of other files and addresses for videos, and open these. So the
format is decided here, and only the names in `FORMATS` are passed to it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from pathlib import PurePath

from hone.data.media.file import MediaFile

FORMATS: Mapping[str, str] = {"mov": "MP4/MOV", "matroska": "MKV/WebM", "avi": "AVI", "gif": "GIF"}
"""The decoder's name of each format that is read, and what it is called."""
_BY_ENDING = {
    ".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".mkv": "matroska", ".webm": "matroska", ".avi": "avi", ".gif": "gif",
}  # fmt: skip
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""What an MP4 or MOV file begins with, after four bytes with the length."""
_CONTENT_BOXES = (b"moov", b"moof", b"mdat")
"""The boxes without which nothing can be decoded. After them, some programs append bytes that are no boxes."""
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_UNKNOWN_SIZE = (0, 0xFFFFFFFF)
_TAIL = 1024


def find_format(file: MediaFile) -> str:
    """Return the decoder's name of a file's format. Raise RowError where it is none of those that are read, or where
    the file's name says another one."""
    with file.open() as stream:
        head = stream.read(12)
    form = _format_of(head)
    if form is None:
        raise file.error(f"not a video in one of the formats {', '.join(FORMATS.values())}")
    named = _BY_ENDING.get(PurePath(file.path or "").suffix.lower()) if file.content is None else None
    if named not in (None, form):
        raise file.error(f"the name is that of {FORMATS[named]}, but the content is {FORMATS[form]}")
    return form


def require_whole(file: MediaFile, form: str, size: int) -> None:
    """Raise RowError where a file ends before its content does. Only its outer structure is read."""
    with file.open() as stream:
        missing = _MISSING[form](stream, size)
    if missing > 0:
        raise file.error(f"cut off: bytes are missing at its end (at least {missing:,})")


def _format_of(head: bytes) -> str | None:
    if head[4:8] in _FIRST_BOXES:
        return "mov"
    if head.startswith(_EBML):
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    return "gif" if head[:6] in (b"GIF87a", b"GIF89a") else None


def _missing_of_boxes(stream: io.BufferedIOBase, size: int) -> int:
    """Return how many bytes an MP4 or MOV file lacks: it is a row of boxes, each with its length and its name."""
    place = 0
    while place + 8 <= size:
        stream.seek(place)
        length, name, longer = struct.unpack(">I4sQ", stream.read(16).ljust(16, b"\0"))
        length = longer if length == 1 else length or size - place  # 0: up to the end
        if name in _CONTENT_BOXES and place + length > size:
            return int(place + length - size)
        place += max(8, length)
    return 0


def _missing_of_segment(stream: io.BufferedIOBase, size: int) -> int:
    """Return how many bytes an MKV or WebM file lacks: it is a head and a segment, each with its length. A segment that
    was written while it was recorded has none."""
    head = stream.read(_TAIL)
    length, start = _read_length(head, len(_EBML))
    place = start + (length or 0)
    if head[place : place + len(_SEGMENT)] != _SEGMENT:
        return 0
    length, start = _read_length(head, place + len(_SEGMENT))
    return 0 if length is None else start + length - size


def _read_length(head: bytes, place: int) -> tuple[int | None, int]:
    """Return a number whose first bit that is 1 says of how many bytes it is, and the place after it. If all bits after
    this one are 1 as well, the number is None."""
    first = head[place] if place < len(head) else 0
    width = 9 - first.bit_length()
    number = int.from_bytes(head[place : place + width], "big") - (1 << 7 * width)
    return (None if number == (1 << 7 * width) - 1 else number), place + width


def _missing_of_riff(stream: io.BufferedIOBase, size: int) -> int:
    """Return how many bytes an AVI file lacks, whose first part has its length at its beginning."""
    (length,) = struct.unpack("<I", stream.read(8)[4:])
    return 0 if length in _UNKNOWN_SIZE else int(length) + 8 - size


def _missing_of_gif(stream: io.BufferedIOBase, size: int) -> int:
    """Return 1 where the mark at the end of a GIF file is missing."""
    stream.seek(max(0, size - _TAIL))
    return 0 if stream.read().rstrip(b"\0").endswith(b";") else 1


_MISSING: Mapping[str, Callable[[io.BufferedIOBase, int], int]] = {
    "mov": _missing_of_boxes,
    "matroska": _missing_of_segment,
    "avi": _missing_of_riff,
    "gif": _missing_of_gif,
}
