"""Reads TensorBoard's event files back: records with a length and two checksums around them."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def events(folder: Path) -> Iterator[Any]:
    """Every event of the folder's files, the oldest first; nothing may be left over."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            assert len(content) >= 16 + length, "the last record is cut off"
            yield Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def values(folder: Path) -> Iterator[tuple[int, Any]]:
    return ((event.step, value) for event in events(folder) for value in event.summary.value)


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(step, value.simple_value) for step, value in values(folder) if value.tag == tag]


def texts(folder: Path, tag: str) -> list[tuple[int, str]]:
    wanted = f"{tag}/text_summary"
    return [(step, value.tensor.string_val[0].decode()) for step, value in values(folder) if value.tag == wanted]
