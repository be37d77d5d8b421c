"""Pictures: what a file's header says, its pixels, and which files are no whole picture.

Only formats that Pillow decodes itself are read. Others run a program on the file, as EPS does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import Any, BinaryIO, Self, cast, final

import numpy as np
from datasets import Dataset
from PIL import Image, ImageOps, UnidentifiedImageError

from hone.core.errors import RowError, one_line
from hone.core.task import Fault
from hone.data.media.file import MediaFile, as_files

Pixels = np.ndarray[Any, Any]

LARGEST = 89_478_485
"""The most pixels of a picture: Pillow's own limit, beyond which it suspects a file that fills the memory."""
_FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
_ENDS: Mapping[str, bytes] = {"PNG": b"IEND", "JPEG": b"\xff\xd9", "MPO": b"\xff\xd9"}
"""What a whole file of a format ends with. Files of the other formats are decoded to see whether they are whole."""
_TAIL = 1024
"""How many of the last bytes are searched for the end: some cameras and editors add a few."""
_AT_ONCE = 100
"""How many files that are stored in their rows are in memory at once."""
_ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held."""


@final
@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a picture before its pixels are decoded. The size is that of the upright picture."""

    width: int
    height: int
    mode: str
    format: str

    @classmethod
    def of(cls, picture: Image.Image) -> Self:
        width, height = picture.size
        if picture.format != "PNG" or "exif" in picture.info:  # where a PNG has none, Pillow decodes it to look for one
            sideways = picture.getexif().get(_ORIENTATION, 1) > 4
            width, height = (height, width) if sideways else (width, height)
        return cls(width, height, picture.mode, picture.format or "")


def read_header(file: MediaFile) -> Header:
    """Return what a file's header says. Raise RowError if it is no picture."""
    with _opened(file) as picture:
        return Header.of(picture)


def decode(file: MediaFile) -> Image.Image:
    """Return a picture upright in RGB; of an animation the first frame. Raise RowError if that is not possible."""
    with _opened(file) as picture:
        return _to_rgb(ImageOps.exif_transpose(picture), file)


def decode_values(file: MediaFile) -> Pixels:
    """Return the values of a picture with one channel, such as a mask: a palette's indices, not its colours."""
    with _opened(file) as picture:
        if len(picture.getbands()) != 1:
            raise file.error(f"expected one channel, but its pixels are {picture.mode}")
        return np.asarray(ImageOps.exif_transpose(picture))


def decode_numbers(file: MediaFile) -> Pixels:
    """Return the number that each pixel of a mask stands for: its value, or red + 256 green + 65,536 blue."""
    with _opened(file) as picture:
        upright = ImageOps.exif_transpose(picture)
        values = np.asarray(upright)
        if len(upright.getbands()) == 1:
            return values.astype(np.int32)
        if upright.mode not in ("RGB", "RGBA"):
            raise file.error(f"expected one channel, or red, green and blue, but its pixels are {upright.mode}")
        return values[..., :3].astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)


def image_faults(rows: Dataset, role: str) -> Iterator[Fault]:
    """Yield the rows whose picture is missing, no regular file, not what its name says, too large or cut off."""
    for place, file in enumerate(stored_files(rows, role)):
        problem = "the picture is missing" if file is None else _problem_of(file)
        if problem:
            yield Fault(place, role, problem)


def stored_files(rows: Dataset, role: str) -> Iterator[MediaFile | None]:
    """Yield the files of canonical rows, which are numbered by their places."""
    start = 0
    for table in rows.select_columns(role).with_format("arrow").iter(_AT_ONCE):
        yield from as_files(table[role].to_pylist(), range(start, start + len(table)), role)
        start += len(table)


def _problem_of(file: MediaFile) -> str | None:
    try:
        _require_scale(file, check(file).mode)
    except RowError as error:
        return error.problem
    return None


def check(file: MediaFile) -> Header:
    """Return the header of a file that seems to be a whole picture; otherwise raise RowError. Few pixels are decoded:
    only those of files that do not end as their format does."""
    size = file.size()
    with _opened(file) as picture:
        header = Header.of(picture)
        _require_right_name(file, header.format)
    if not _has_end(file, header.format, size):
        with _opened(file) as picture:
            picture.load()
    return header


@contextmanager
def _opened(file: MediaFile) -> Iterator[Image.Image]:
    """Open a picture without decoding it. What goes wrong then or within the block is raised as RowError."""
    with file.open() as stream:
        try:
            with Image.open(cast(BinaryIO, stream), formats=_readable_formats()) as picture:
                _require_size(file, *picture.size)
                yield picture
        except RowError:
            raise
        except UnidentifiedImageError as error:
            raise file.error(f"not a picture in one of the formats {', '.join(_readable_formats())}") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise file.error(f"more than {LARGEST:,} pixels") from error
        except Exception as error:  # each format raises its own errors about damaged content
            raise file.error(f"damaged or cut off ({one_line(error)})") from error


@cache
def _readable_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _require_size(file: MediaFile, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise file.error("a picture without pixels")
    if width * height > LARGEST:
        raise file.error(f"{width:,} × {height:,} pixels, more than {LARGEST:,}")


def _to_rgb(picture: Image.Image, file: MediaFile) -> Image.Image:
    """Convert pixels as transformers does, which leaves out transparency. Only 16-bit grey, which it turns white, is
    scaled to 8 bits."""
    _require_scale(file, picture.mode)
    if picture.mode.startswith("I;16"):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture.convert("RGB")


def _require_scale(file: MediaFile, mode: str) -> None:
    """Raise RowError where nothing says which values are black and white."""
    if mode in ("I", "F"):
        raise file.error(f"its pixels are 32-bit numbers (mode {mode}), for which there is no scale")


def _require_right_name(file: MediaFile, content: str) -> None:
    """Raise RowError for a file with the content of one format and the name of another."""
    named = Image.EXTENSION.get(PurePath(file.path or "").suffix.lower())
    if named is not None and {named, content} != {"JPEG", "MPO"} and named != content:
        raise file.error(f"the name is that of a {named}, but the content is {content}")


def _has_end(file: MediaFile, content: str, size: int) -> bool:
    end = _ENDS.get(content)
    if end is None:
        return False
    with file.open() as stream:
        stream.seek(max(0, size - _TAIL))
        return end in stream.read()
