"""Videos: headers, frames, and everything that is no whole video."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from hone.core.errors import RowError, UserError
from hone.data.media.file import MediaFile
from hone.data.media.videos import (
    VideoHeader,
    check,
    decode,
    frames_at,
    read_header,
    require_video_extra,
    video_faults,
)
from hone.data.tiny.motions import to_gif
from video_files import as_file, numbered_frames, turn_clockwise, write_sound, write_video

FRAMES = numbered_frames()
MP4 = write_video(FRAMES)
FORMATS = {
    "mp4": ("mov", MP4),
    "mov": ("mov", write_video(FRAMES, "mov", "mpeg4")),
    "mkv": ("matroska", write_video(FRAMES, "matroska", bf="3")),
    "webm": ("matroska", write_video(FRAMES, "webm", "libvpx-vp9")),
    "avi": ("avi", write_video(FRAMES, "avi", "mpeg4")),
    "avi with frames that depend on later ones": ("avi", write_video(FRAMES, "avi", "mpeg4", bf="2")),
    "gif": ("gif", to_gif(FRAMES[..., 0])),
}
BROKEN = {
    "empty": (b"", "an empty file"),
    "text": (b"hello " * 100, "not a video in one of the formats MP4/MOV, MKV/WebM, AVI, GIF"),
    "a list of other files": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not a video in one of the formats"),
    "a picture": (to_gif(FRAMES[:1, ..., 0]), "one frame only"),
    "a sound": (write_sound(), "it has no video stream"),
    "noise": (MP4[:8] + bytes(200), "damaged or cut off"),
    **{f"half a {name}": (content[: len(content) // 2], "cut off") for name, (_, content) in FORMATS.items()},
    **{f"the most of a {name}": (content[:-9], "cut off") for name, (_, content) in FORMATS.items()},
}  # fmt: skip


def brightness(pictures: list[Any]) -> list[int]:
    """The grey of the lower right corner of each picture."""
    return [int(np.asarray(picture)[-8:, -8:].mean().round()) for picture in pictures]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_the_same_video(name: str) -> None:
    form, content = FORMATS[name]
    file = as_file(content)
    header = check(file)
    assert header == read_header(file)
    assert (header.width, header.height, header.frames, header.format) == (64, 48, 16, form)
    assert header.rate == pytest.approx(10 if form != "gif" else 1000 / 60, rel=0.1)
    wanted = [0, 7, 7, 15]
    pictures = decode(file, lambda times: wanted)
    assert all(picture.mode == "RGB" and picture.size == (64, 48) for picture in pictures)
    assert brightness(pictures) == pytest.approx([int(FRAMES[place, -1, -1, 0]) for place in wanted], abs=6)


def test_only_what_wanted_frames_depend_on_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames after a jump are those of a decoder that goes through the whole file."""
    frames = numbered_frames(120)
    content = write_video(frames, g="20", bf="2")
    library, decoded = require_video_extra(), []
    whole = decode(as_file(content), lambda times: np.arange(len(times)))

    class Counted:
        """Stands in for the module, and counts the frames that its containers decode."""

        @staticmethod
        def open(*args: Any, **options: Any) -> Any:
            return _CountedContainer(library.open(*args, **options), decoded)

    monkeypatch.setattr("hone.data.media.videos.require_video_extra", lambda: Counted)
    for wanted in ([0, 119], [59, 60, 61], [119], [5, 45, 85]):
        decoded.clear()
        pictures = decode(as_file(content), lambda times, wanted=wanted: wanted)
        assert [picture.tobytes() for picture in pictures] == [whole[place].tobytes() for place in wanted]
        assert len(decoded) <= 20 * len(wanted) + 20


class _CountedContainer:
    def __init__(self, container: Any, decoded: list[Any]) -> None:
        self.container, self.decoded = container, decoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self.container, name)

    def __enter__(self) -> Any:
        self.container.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.container.__exit__(*error)

    def decode(self, stream: Any) -> Any:
        for frame in self.container.decode(stream):
            self.decoded.append(frame.pts)
            yield frame


def test_frames_are_chosen_by_the_time_at_which_they_are_shown() -> None:
    """Of a camera whose rate changes, the long frames stand for more of the video."""
    times = [0, 1, 2, 3, 4, 5, 6, 7, 50, 100]
    file = as_file(write_video(numbered_frames(10), times=times, bf="0"))
    seen: list[list[float]] = []
    shares = (np.arange(4) + 0.5) / 4
    decode(file, lambda moments: seen.append(moments.tolist()) or frames_at(moments, shares))  # type: ignore[func-returns-value]
    assert seen[0] == pytest.approx([time / 100 for time in times], abs=1e-3)
    assert frames_at(np.array(seen[0]), shares).tolist() == [7, 7, 8, 8]


@pytest.mark.parametrize("count", [2, 8, 16, 17])
def test_as_many_frames_as_there_are_give_each_of_them(count: int) -> None:
    times = np.arange(count) / 29.97
    assert frames_at(times, (np.arange(count) + 0.5) / count).tolist() == [*range(count)]
    assert frames_at(times, [0.0, 1.0]).tolist() == [0, count - 1]


def test_a_video_is_upright() -> None:
    """A telephone stores what it sees sideways, with a note of how it was held."""
    file = as_file(turn_clockwise(MP4))
    header = check(file)
    assert (header.width, header.height) == (48, 64)
    (picture,) = decode(file, lambda times: [3])
    pixels = np.asarray(picture).astype(int)
    assert picture.size == (48, 64)
    assert pixels[:12, -8:].min() > 200, "the square is in the upper right corner"
    assert pixels[-12:].max() < 100


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_whole_video_is_a_bad_row(kind: str) -> None:
    content, problem = BROKEN[kind]
    rows = Dataset.from_dict({"video": [{"bytes": MP4}, {"bytes": content}, None]})
    faults = [(fault.row, fault.problem) for fault in video_faults(rows, "video")]
    assert [row for row, _ in faults] == [1, 2]
    assert problem in faults[0][1]
    assert faults[1][1] == "the video is missing"


def test_a_recording_without_a_length_is_whole() -> None:
    """An MKV file that was written while it was recorded says that its length is unknown."""
    content = bytearray(FORMATS["mkv"][1])
    place = content.index(b"\x18\x53\x80\x67") + 4
    content[place : place + 8] = b"\x01" + b"\xff" * 7
    assert check(as_file(bytes(content))).frames == 16


def test_damage_in_the_middle_is_found_when_it_is_decoded() -> None:
    content, place = bytearray(write_video(numbered_frames(30), "avi")), 0
    for _ in range(15):
        place = content.index(b"00dc", place + 1)  # the mark of a frame
    end = content.index(b"00dc", place + 1)
    content[place + 8 : end] = bytes(end - place - 8)
    check(as_file(bytes(content)))
    with pytest.raises(RowError, match=r"row 7.*video: a video: damaged"):
        decode(as_file(bytes(content)), lambda times: np.arange(len(times)))


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, problem in {"pipe.mp4": "a pipe", "missing.mp4": "no such file"}.items():
        rows = Dataset.from_dict({"video": [{"bytes": None, "path": str(tmp_path / name)}]})
        assert [problem in fault.problem for fault in video_faults(rows, "video")] == [True]


def test_a_name_must_not_belie_the_content(tmp_path: Path) -> None:
    path = tmp_path / "video.webm"
    path.write_bytes(MP4)
    with pytest.raises(RowError, match="name is that of MKV/WebM, but the content is MP4/MOV"):
        check(MediaFile(str(path)))
    path.rename(tmp_path / "video.mov")
    assert isinstance(check(MediaFile(str(tmp_path / "video.mov"))), VideoHeader)


def test_a_missing_extra_is_a_mistake_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install 'hone-lab\[video\]'"):
        decode(as_file(MP4), lambda times: [0])
