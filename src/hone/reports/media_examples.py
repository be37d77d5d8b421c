"""Small copies of the pictures, sounds and videos of examples, in the run's folder, for trackers to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hone.core.errors import RowError
from hone.core.files import drafted
from hone.core.task import MediaKind, Predictive
from hone.data.media import images, sounds, videos
from hone.data.media.file import MediaFile
from hone.runs.folder import Folder

_LARGEST = 512
"""The longest side of a picture, in pixels."""
_LONGEST = 10.0
"""The longest part of a sound, in seconds."""
_RATE = 16_000
_ENDINGS: Mapping[MediaKind, str] = {"image": "png", "audio": "wav", "video": "gif"}
_FRAMES, _SIDE = 16, 256
"""How many frames of a video are shown, and their longest side in pixels."""
_SHOWN = 60, 500
"""The shortest and the longest time that a frame is shown, in milliseconds."""


def store_media_example(row: Mapping[str, Any], role: str, task: Predictive, split: str, folder: Folder) -> str | None:
    """Store a picture, a sound or an animation of a row once. Return its name in the run's folder, or None if there is
    none.

    What cannot be decoded is not shown: the evaluation has reported it."""
    if row[role] is None:
        return None
    kind = task.media[role]
    name = f"{split}-{role}-{row['id']}.{_ENDINGS[kind]}"
    place = folder.plots / name
    if not place.is_file():
        place.parent.mkdir(exist_ok=True)
        file = MediaFile.of(row[role], int(row["id"]), role)
        try:
            with drafted(place) as draft:
                _WRITERS[kind](file, draft)
        except RowError:
            return None
    return f"{folder.plots.name}/{name}"


def _write_small_picture(file: MediaFile, path: Path) -> None:
    picture = images.decode(file)
    picture.thumbnail((_LARGEST, _LARGEST))
    picture.save(path, "PNG")


def _write_short_sound(file: MediaFile, path: Path) -> None:
    path.write_bytes(sounds.to_wav(sounds.decode(file, _RATE, seconds=_LONGEST), _RATE))


def _write_animation(file: MediaFile, path: Path) -> None:
    """Write some frames of a video, spread over all of it: W&B takes such a file as it is, without a video encoder."""
    shares = (np.arange(_FRAMES) + 0.5) / _FRAMES
    first, *others = videos.decode(file, lambda times: videos.frames_at(times, shares))
    for frame in (first, *others):
        frame.thumbnail((_SIDE, _SIDE))
    pause = round(1000 * videos.read_header(file).seconds / _FRAMES)
    first.save(path, "GIF", save_all=True, append_images=others, loop=0, duration=min(max(pause, _SHOWN[0]), _SHOWN[1]))


_WRITERS: Mapping[MediaKind, Callable[[MediaFile, Path], None]] = {
    "image": _write_small_picture,
    "audio": _write_short_sound,
    "video": _write_animation,
}
