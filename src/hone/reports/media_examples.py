"""Small copies of the pictures and sounds of examples, in the run's folder, for trackers to show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hone.core.errors import RowError
from hone.core.files import drafted
from hone.core.task import Predictive
from hone.data.media import images, sounds
from hone.data.media.file import MediaFile
from hone.runs.folder import Folder

_LARGEST = 512
"""The longest side of a picture, in pixels."""
_LONGEST = 10.0
"""The longest part of a sound, in seconds."""
_RATE = 16_000


def store_media_example(row: Mapping[str, Any], role: str, task: Predictive, split: str, folder: Folder) -> str | None:
    """Store a picture or a sound of a row once. Return its name in the run's folder, or None if there is none.

    Clips are not shown, and neither is what cannot be decoded: the evaluation has reported it."""
    kind = task.media[role]
    if row[role] is None or kind == "video":
        return None
    name = f"{split}-{role}-{row['id']}.{'png' if kind == 'image' else 'wav'}"
    place = folder.plots / name
    if not place.is_file():
        place.parent.mkdir(exist_ok=True)
        file = MediaFile.of(row[role], int(row["id"]), role)
        try:
            with drafted(place) as draft:
                if kind == "image":
                    _write_small_picture(file, draft)
                else:
                    draft.write_bytes(sounds.to_wav(sounds.decode(file, _RATE, seconds=_LONGEST), _RATE))
        except RowError:
            return None
    return f"{folder.plots.name}/{name}"


def _write_small_picture(file: MediaFile, path: Path) -> None:
    picture = images.decode(file)
    picture.thumbnail((_LARGEST, _LARGEST))
    picture.save(path, "PNG")
