"""What W&B's client keeps of a run on disk: a folder for each time the run was started, with a log of records."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

_BLOCK = 32 * 1024
_HEADER = struct.Struct("<4sHB")
_CHUNK = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@final
@dataclass
class Content:
    """What one of them holds, up to where it is damaged."""

    steps: Counter[int] = field(default_factory=Counter)
    """Of its rows, by how many there are of each step."""
    ended: bool = False

    def has(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether all of these rows are there, and how the run ended."""
        return self.ended and Counter(row["step"] for row in rows) <= self.steps


def folders(root: Path, identity: str) -> list[Path]:
    """Oldest first."""
    return sorted(path.parent for path in root.glob(f"*run-*-{identity}*/run-{identity}.wandb"))


def content(folder: Path) -> Content:
    """Reads the log; W&B has no reader of its own that is meant for others."""
    from wandb.proto import wandb_internal_pb2 as proto

    found = Content()
    for file in folder.glob("*.wandb"):
        for raw in _records(file.read_bytes()):
            record: Any = proto.Record()  # type: ignore[attr-defined]  # made by protobuf
            record.ParseFromString(raw)
            kind = record.WhichOneof("record_type")
            if kind == "history":
                values = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
                found.steps.update([int(float(values["step"]))] if "step" in values else [])
            found.ended = found.ended or kind == "exit"
    return found


def _records(log: bytes) -> Iterator[bytes]:
    """LevelDB's format of logs: chunks in blocks, a record being one chunk or several; ends where it is torn."""
    if len(log) < _HEADER.size or _HEADER.unpack_from(log)[0] != b":W&B":
        return
    place, parts = _HEADER.size, bytearray()
    while place + _CHUNK.size <= len(log):
        if _BLOCK - place % _BLOCK < _CHUNK.size:
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = _CHUNK.unpack_from(log, place)
        begin, place = place + _CHUNK.size, place + _CHUNK.size + length
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or place > len(log):
            return
        parts = parts if kind in (_MIDDLE, _LAST) else bytearray()
        parts += log[begin:place]
        if kind in (_FULL, _LAST):
            yield bytes(parts)
