"""Video files of any format, as cameras and programs write them."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np

from hone.data.media.file import MediaFile
from hone.data.media.videos import decode

Frames = np.ndarray[Any, np.dtype[np.uint8]]


def as_file(content: bytes) -> MediaFile:
    return MediaFile("a video", content, 7, "video")


def numbered_frames(count: int = 16, height: int = 48, width: int = 64) -> Frames:
    """Frames of increasing brightness, with a white square in the upper left corner."""
    grey = np.linspace(30, 180, count).astype(np.uint8)
    frames = np.broadcast_to(grey[:, None, None, None], (count, height, width, 3)).copy()
    frames[:, : height // 4, : width // 4] = 255
    return frames


def write_video(
    frames: Frames, form: str = "mp4", codec: str = "libx264", times: Sequence[int] = (), **options: str
) -> bytes:
    """The content of a file of 10 frames in a second, or with frames at these hundredths of a second."""
    content = io.BytesIO()
    with av.open(content, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=100 if times else 10)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.options = options.pop("pix_fmt", "yuv420p"), options
        for place, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if times:
                picture.pts, picture.time_base = times[place], Fraction(1, 100)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return content.getvalue()


def write_sound(seconds: float = 0.5) -> bytes:
    """The content of an MP4 file with a sound alone."""
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream: Any = container.add_stream("aac", rate=16_000, layout="mono")
        samples = np.zeros((1, int(16_000 * seconds)), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return content.getvalue()


def turn_clockwise(mp4: bytes) -> bytes:
    """The same file, with the note of a telephone that it is to be shown turned to the right."""
    content = bytearray(mp4)
    matrix = content.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">9i", content, matrix) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", content, matrix, 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return bytes(content)


def to_mp4(content: bytes) -> bytes:
    """Any video as an MP4 file."""
    frames = decode(as_file(content), lambda times: np.arange(len(times)))
    return write_video(np.stack([np.asarray(frame) for frame in frames]))
