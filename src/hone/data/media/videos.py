"""Videos: what a file's header says, the frames that are wanted, and which files are no whole video.

Files are decoded by PyAV, which brings its own FFmpeg libraries. No program is run on a file, and a file cannot make
the decoder open another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import Dataset
from PIL import Image

from hone.core.errors import RowError, UserError, one_line
from hone.core.task import Fault
from hone.data.media.containers import find_format, require_whole
from hone.data.media.file import MediaFile
from hone.data.media.images import LARGEST, stored_files

Times = np.ndarray[Any, np.dtype[np.float64]]
"""When each frame is shown, in seconds since the first one."""
Places = np.ndarray[Any, np.dtype[np.int64]]
"""The numbers of frames in the order in which they are shown."""

_COVER = 0x0400
"""FFmpeg's mark of a stream that is the picture of a sound's cover (AV_DISPOSITION_ATTACHED_PIC)."""
_DROPPED = 0.1
"""The share of its frames that a decoder may drop at the end: some old AVI files count frames that are never shown."""
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


@final
@dataclass(frozen=True, slots=True)
class VideoHeader:
    """What is known of a video after its first frame is decoded. The size is that of the upright picture."""

    width: int
    height: int
    frames: int
    rate: float
    """The mean number of frames in a second."""
    format: str

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


@final
@dataclass(frozen=True, eq=False, slots=True)
class _Timeline:
    """The frames of a video in the order in which they are shown."""

    stamps: Places
    """The decoder's own time of each frame, or its number where the file has no times."""
    keys: Places
    """The stamps at which decoding can begin."""
    times: Times
    has_stamps: bool


def read_header(file: MediaFile) -> VideoHeader:
    """Return what is known of a video before it is decoded. Raise RowError if it is none."""
    with _opened(file) as (container, stream):
        frames = int(stream.frames) or sum(1 for _ in _iter_packets(container, stream))
        if frames < 1:
            raise file.error("a video without frames")
        rate = float(stream.average_rate or stream.guessed_rate or 1)
        container.seek(0)
        frame = next(iter(container.decode(stream)), None)
        if frame is None:
            raise file.error("damaged: its first frame cannot be decoded")
        width, height = (int(frame.width), int(frame.height))
        if frame.rotation % 180:
            width, height = height, width
        return VideoHeader(width, height, frames, rate, str(container.format.name))


def decode(file: MediaFile, choose: Callable[[Times], Sequence[int] | Places]) -> list[Image.Image]:
    """Return some frames of a video, upright and in RGB. `choose` gets the time of every frame and returns the numbers
    of those that are wanted; one may be wanted more than once.

    Decoding begins at the last frame before a wanted one that depends on no other. Raise RowError if that fails."""
    with _opened(file) as (container, stream):
        timeline = _read_timeline(container, stream)
        if not len(timeline.times):
            raise file.error("a video without frames")
        wanted = np.asarray(choose(timeline.times), dtype=np.int64)
        pictures: dict[int, Image.Image] = {}
        frames = _FrameReader(container, stream, timeline)
        for place in np.unique(wanted).tolist():
            frame = frames.read(place)
            if frame is None:
                raise file.error(f"damaged: frame {place:,} of {len(timeline.times):,} cannot be decoded")
            pictures[place] = _to_picture(frame)
        return [pictures[place] for place in wanted.tolist()]


def frames_at(times: Times, shares: Sequence[float] | np.ndarray[Any, Any]) -> Places:
    """Return the numbers of the frames that are shown when these shares of a video, from 0 to 1, have passed."""
    count = len(times)
    seconds = times[-1] * count / max(1, count - 1)  # the last frame is shown as long as the others on average
    places = np.searchsorted(times, np.asarray(shares) * seconds + 1e-6, side="right") - 1
    return np.asarray(places.clip(0, count - 1), dtype=np.int64)


def video_faults(rows: Dataset, role: str) -> Iterator[Fault]:
    """Yield the rows whose video is missing, no regular file, not what its name says, cut off, or a single picture."""
    for place, file in enumerate(stored_files(rows, role)):
        try:
            problem = "the video is missing" if file is None else None
            if file is not None:
                check(file)
        except RowError as error:
            problem = error.problem
        if problem:
            yield Fault(place, role, problem)


def check(file: MediaFile) -> VideoHeader:
    """Return the header of a file that seems to be a whole video; otherwise raise RowError. One frame is decoded."""
    size = file.size()  # first, because a pipe must not be opened
    require_whole(file, find_format(file), size)
    header = read_header(file)
    if header.frames < 2:
        raise file.error("one frame only: this is a picture, not a video")
    return header


def require_video_extra() -> Any:
    """Return the module that decodes videos. Raise UserError where the extra that brings it is missing."""
    try:
        import av
    except (ImportError, OSError) as error:  # OSError: a library inside does not load on this system
        raise UserError(
            f"videos need the package av ({one_line(error)}). Install it with: pip install 'hone-lab[video]'"
        ) from error
    return av


@final
class _FrameReader:
    """Decodes frames in ascending order, and jumps over those that no wanted one depends on."""

    def __init__(self, container: Any, stream: Any, timeline: _Timeline) -> None:
        self.container, self.stream, self.timeline = container, stream, timeline
        self.reached = -1
        """The number of the frame that was decoded last."""
        self.last: Any = None
        self.frames: Iterator[Any] = iter(())

    def read(self, place: int) -> Any:
        """Return a frame, or the next one if the decoder drops it. Return None where too few frames can be decoded."""
        self._jump(place)
        if self.reached >= place:
            return self.last
        for frame in self.frames:
            self.reached, self.last = self._number(frame), frame
            if self.reached >= place:
                return frame
        count = len(self.timeline.times)
        return self.last if count - 1 - self.reached <= _DROPPED * count else None

    def _jump(self, place: int) -> None:
        """Go on at the last key frame before a frame, unless that would be a way back."""
        stamps, keys = self.timeline.stamps, self.timeline.keys
        key = keys[max(0, int(np.searchsorted(keys, stamps[place], side="right")) - 1)]
        begin = int(np.searchsorted(stamps, key))
        if self.last is None or begin > self.reached + 1:
            stream = self.stream if self.timeline.has_stamps else None
            self.container.seek(int(key), stream=stream)
            self.frames, self.reached = self.container.decode(self.stream), begin - 1

    def _number(self, frame: Any) -> int:
        if frame.pts is None or not self.timeline.has_stamps:
            return self.reached + 1
        return int(np.searchsorted(self.timeline.stamps, frame.pts))


def _read_timeline(container: Any, stream: Any) -> _Timeline:
    packets = [(packet.pts, packet.is_keyframe) for packet in _iter_packets(container, stream)]
    if not packets or any(stamp is None for stamp, _ in packets):  # an AVI file has no times
        numbers = np.arange(len(packets), dtype=np.int64)
        return _Timeline(numbers, numbers[:1], numbers / float(stream.average_rate or 1), has_stamps=False)
    stamps = np.sort(np.array([stamp for stamp, _ in packets], dtype=np.int64))
    keys = np.sort(np.array([stamp for stamp, is_key in packets if is_key], dtype=np.int64))
    if container.format.name == "gif" or not len(keys) or keys[0] > stamps[0]:
        keys = stamps[:1]  # the pictures of a GIF file are drawn over each other
    return _Timeline(stamps, keys, (stamps - stamps[0]) * float(stream.time_base), has_stamps=True)


def _iter_packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the compressed frames that are shown, in the order of the file."""
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            yield packet


def _to_picture(frame: Any) -> Image.Image:
    picture: Image.Image = frame.to_image()
    turn = _TURNS.get(frame.rotation % 360)
    return picture if turn is None else picture.transpose(turn)


@contextmanager
def _opened(file: MediaFile) -> Iterator[tuple[Any, Any]]:
    """Open a video without decoding it. What goes wrong then or within the block is raised as RowError."""
    library = require_video_extra()
    form = find_format(file)
    with file.open() as source:
        try:
            with library.open(source, format=form) as container:
                stream = _find_stream(container, file)
                yield container, stream
        except RowError:
            raise
        except Exception as error:  # the decoder has an error of its own for each number of the library
            raise file.error(f"damaged or cut off ({_reason(error)})") from error


def _find_stream(container: Any, file: MediaFile) -> Any:
    """Return the first stream that moves. A sound may have the picture of its cover as one."""
    moving = [stream for stream in container.streams.video if not stream.disposition & _COVER]
    if not moving:
        raise file.error("it has no video stream")
    stream = moving[0]
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > LARGEST:
        raise file.error(f"{width:,} × {height:,} pixels, more than {LARGEST:,}")
    stream.codec_context.thread_count = 1  # rows are decoded beside each other
    return stream


def _reason(error: Exception) -> str:
    """Return the decoder's words without the name that it gives to an open file."""
    return str(getattr(error, "strerror", None) or one_line(error)).strip(" .")
