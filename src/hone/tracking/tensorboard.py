"""TensorBoard: an event file in the run's folder, every record in it whole when the call returns."""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from hone.errors import UserError
from hone.paths import shown
from hone.runs.identity import has_effect
from hone.tracking import markdown
from hone.tracking.base import RunInfo, Tracker
from hone.tracking.exhibits import Exhibit, Histogram, Table
from hone.types import Index

_AXES = {"step", "epoch", "time", "examples", "seconds"}


@final
class TensorBoardTracker(Tracker):
    """Curves, texts, and hyperparameters with the final scores, by which runs are compared."""

    def __init__(self, examples: Index = 32) -> None:
        if find_spec("tensorboardX") is None:
            raise UserError(
                "tracker=tensorboard needs tensorboardX, which is not installed: pip install 'hone-lab[tensorboard]'."
            )
        self.examples = examples
        self.root: Path | None = None
        self.file: Path | None = None

    def start(self, run: RunInfo) -> dict[str, Any] | None:
        from tensorboardX.summary import hparams

        self.root = run.root
        self.file = run.folder / f"events.out.tfevents.{int(time.time())}.{secrets.token_hex(4)}"
        self._write(file_version="brain.Event:2")
        self._write(summary=hparams(dict(_hyperparameters(run.config)), {})[1])
        if run.notes:
            self._text("notes", markdown.drawn(Table([run.name], [[run.notes]])), 0)
        return None

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """TensorBoard drops what earlier files say of the steps after those rows."""
        from tensorboardX.proto.event_pb2 import SessionLog

        last = int(rows[-1]["step"]) if rows else 0
        self._write(last + 1, session_log=SessionLog(status=SessionLog.START))

    def log(self, number: int, row: Mapping[str, Any]) -> None:
        values = {name: value for name, value in row.items() if name not in _AXES and isinstance(value, int | float)}
        self._scalars(values, int(row["step"]), row.get("time"))

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        if isinstance(exhibit, Histogram):
            self._write(step or 0, summary=_histogram(name, exhibit))
        else:
            self._text(name, markdown.drawn(exhibit), step or 0)

    def page(self, name: str, html: str) -> None:
        """It shows none; the page lies in the folder anyway."""

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> bool:
        self._scalars(dict(_conclusions(summary)), int(summary.get("best/step") or 0), None)
        self._write(summary=_end(state))
        return False

    def advice(self) -> str | None:
        return None if self.root is None else f"tensorboard --logdir {shown(self.root)}"

    def _scalars(self, values: Mapping[str, float], step: int, moment: float | None) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        if not values:
            return
        parts = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(step, moment, summary=Summary(value=parts))

    def _text(self, name: str, told: str, step: int) -> None:
        from tensorboardX.summary import text

        self._write(step, summary=text(name, told))

    def _write(self, step: int = 0, moment: float | None = None, **what: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        if self.file is None:
            return
        event = Event(wall_time=moment or time.time(), step=step, **what)
        with self.file.open("ab") as file:
            file.write(_framed(event.SerializeToString()))


def _framed(content: bytes) -> bytes:
    """A record as TensorFlow keeps it: its length and itself, each with a checksum."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(content))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, content)]
    return length + sums[0] + content + sums[1]


def _hyperparameters(config: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """What can change a result, by dotted names, as plain values."""
    for key, value in config.items():
        name = f"{place}{key}"
        if key.startswith("_") or key == "provenance" or not has_effect(name.removeprefix("choices.")):
            continue
        if isinstance(value, Mapping):
            yield from _hyperparameters(value, f"{name}.")
        elif value is not None:
            yield name, value if isinstance(value, bool | int | float | str) else str(value)


def _conclusions(summary: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What no row has said: which evaluation was the best, and its scores."""
    for name, value in summary.items():
        if isinstance(value, int | float) and not name.startswith(("baseline/", "test/")):
            yield f"best/{name}" if name.startswith("validation/") else name, value


def _histogram(name: str, exhibit: Histogram) -> Any:
    from tensorboardX.summary import histogram_raw

    lows, highs, counts = exhibit.edges[:-1], exhibit.edges[1:], exhibit.counts
    middles = [(low + high) / 2 for low, high in zip(lows, highs, strict=True)]
    total = sum(middle * count for middle, count in zip(middles, counts, strict=True))
    squares = sum(middle**2 * count for middle, count in zip(middles, counts, strict=True))
    return histogram_raw(name, exhibit.edges[0], exhibit.edges[-1], sum(counts), total, squares, highs, counts)


def _end(state: str) -> Any:
    from tensorboardX.proto.api_pb2 import Status
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

    status = "STATUS_SUCCESS" if state == "finished" else "STATUS_FAILURE"
    end = SessionEndInfo(status=Status.Value(status), end_time_secs=time.time())
    content = HParamsPluginData(session_end_info=end, version=0).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    tag = "_hparams_/session_end_info"
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])
