"""Sounds: what a file's header says, its samples at a wanted rate, and which files are no whole sound.

Files are decoded by libsndfile and resampled by soxr. No other decoder is used, and no program is run on a file.
"""

from __future__ import annotations

import io
import math
import struct
import wave as wave_file
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, final

import numpy as np
from datasets import Dataset

from hone.core.errors import RowError, UserError, one_line
from hone.core.task import Fault
from hone.data.media.file import MediaFile

Wave = np.ndarray[Any, np.dtype[np.float32]]
"""The samples of one channel, from -1 to 1."""

_NAMES = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".mp3": "MP3"}
"""The format of a file by the end of its name."""
_UNKNOWN_SIZE = (0, 0xFFFFFFFF)
"""What a WAV file says of its size if it was written while the sound was still going on."""


@final
@dataclass(frozen=True, slots=True)
class SoundHeader:
    """What is known of a sound before its samples are decoded."""

    frames: int
    """The number of samples of each channel."""
    rate: int
    channels: int
    format: str

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def read_header(file: MediaFile) -> SoundHeader:
    """Return what a file's header says. Raise RowError if it is no sound."""
    with _opened(file) as sound:
        return _header(sound, file)


def decode(file: MediaFile, rate: int, start: float = 0.0, seconds: float | None = None) -> Wave:
    """Return the mean of the channels at `rate` samples a second; all of it, or `seconds` of it from `start` on.

    Raise RowError if the samples cannot be decoded, are no numbers, or are all silent."""
    with _opened(file) as sound:
        header = _header(sound, file)
        first = min(round(start * header.rate), header.frames)
        wanted = header.frames - first if seconds is None else min(header.frames - first, round(seconds * header.rate))
        sound.seek(first)
        samples = sound.read(wanted, dtype="float32", always_2d=True)
    if len(samples) < wanted:
        end = first + len(samples)
        raise file.error(f"cut off: the header says {header.frames:,} samples, and they end at {end:,}")
    if not np.isfinite(samples).all():
        raise file.error("some samples are no finite numbers")
    if wanted == header.frames and not samples.any():
        raise file.error("silent: every sample is 0")
    return _resample(samples.mean(axis=1), header.rate, rate)


def sound_faults(rows: Dataset, role: str) -> Iterator[Fault]:
    """Yield the rows whose sound is missing, no regular file, no sound, empty or cut off. Samples are not decoded."""
    for place, row in enumerate(rows.select_columns(role).with_format(None)):
        if row[role] is None:
            yield Fault(place, role, "the sound is missing")
            continue
        try:
            check(MediaFile.of(row[role], place, role))
        except RowError as error:
            yield Fault(place, role, error.problem)


def check(file: MediaFile) -> SoundHeader:
    """Return the header of a file that seems to be a whole sound; otherwise raise RowError.

    Whether an MP3 file is cut off is found only when it is decoded."""
    size = file.size()
    with _opened(file) as sound:
        header = _header(sound, file)
        _require_right_name(file, header.format)
        if header.format == "FLAC":  # of other formats, it tells libsndfile nothing, or a jump prints warnings (MP3)
            sound.seek(header.frames - 1)
    if header.format.startswith("WAV"):
        _require_whole_wav(file, size)
    return header


def to_wav(wave: np.ndarray[Any, Any], rate: int) -> bytes:
    """Return samples from -1 to 1 as a WAV file of 16 bits. Louder ones are cut off."""
    content = io.BytesIO()
    with wave_file.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(np.clip(wave, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return content.getvalue()


def require_audio_extra() -> Any:
    """Return the module that decodes sounds. Raise UserError where the extra that brings it is missing."""
    try:
        import soundfile
        import soxr  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: the library inside does not load on this system
        raise UserError(
            f"sounds need the packages soundfile and soxr ({one_line(error)}). "
            f"Install them with: pip install 'hone-lab[audio]'"
        ) from error
    return soundfile


def _resample(wave: Wave, rate: int, wanted: int) -> Wave:
    if rate == wanted or not len(wave):
        return np.ascontiguousarray(wave)
    import soxr

    return np.asarray(soxr.resample(wave, rate, wanted), dtype=np.float32)


def _header(sound: Any, file: MediaFile) -> SoundHeader:
    if sound.frames < 1:
        raise file.error("a sound without samples")
    return SoundHeader(int(sound.frames), int(sound.samplerate), int(sound.channels), str(sound.format))


@contextmanager
def _opened(file: MediaFile) -> Iterator[Any]:
    """Open a sound without decoding it. What goes wrong then or within the block is raised as RowError."""
    library = require_audio_extra()
    with file.open() as stream:
        try:
            sound = library.SoundFile(_handle(stream), closefd=False)
        except Exception as error:  # libsndfile's own errors, and those of damaged numbers in a header
            raise file.error(f"no sound that can be read ({_reason(error)})") from error
        try:
            with sound:
                yield sound
        except RowError:
            raise
        except Exception as error:  # as above
            raise file.error(f"damaged or cut off ({_reason(error)})") from error


def _handle(stream: io.BufferedIOBase) -> Any:
    """Return what libsndfile reads fastest: the number of an open file, or the bytes in memory."""
    return stream if isinstance(stream, io.BytesIO) else stream.fileno()


def _reason(error: Exception) -> str:
    """Return libsndfile's words without the name that it gives to an open file."""
    return str(getattr(error, "error_string", None) or one_line(error)).strip(" .")


def _require_right_name(file: MediaFile, content: str) -> None:
    """Raise RowError for a file with the content of one format and the name of another."""
    named = _NAMES.get(PurePath(file.path or "").suffix.lower()) if file.content is None else None
    if named is not None and not content.startswith(named) and content.startswith(tuple(_NAMES.values())):
        raise file.error(f"the name is that of a {named} file, but the content is {content}")


def _require_whole_wav(file: MediaFile, size: int) -> None:
    """Raise RowError where the samples of a WAV file end early: libsndfile takes such a file for a shorter one."""
    with file.open() as stream:
        place, end = 12, min(size, 1 << 16)
        head = stream.read(end)
    while place + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, place)
        if name == b"data":
            missing = place + 8 + length - size
            if length not in _UNKNOWN_SIZE and missing > 0:
                raise file.error(f"cut off: {missing:,} of its {length:,} bytes of samples are missing")
            return
        place += 8 + 2 * math.ceil(length / 2)
