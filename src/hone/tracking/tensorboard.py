"""TensorBoard: an event file in the run's folder. Every event is on disk once the call that writes it returns.

tensorboardX's `SummaryWriter` does not guarantee that: its `flush` does not wait for its queue, so an event may reach
the disk much later, or never if the run is killed. `EventsWriter` is the writer behind that queue."""

from __future__ import annotations

import secrets
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError
from hone.core.paths import relative_to_cwd
from hone.core.value_types import Index
from hone.runs.identity import has_effect
from hone.tracking.exhibits import Exhibit, Files, Histogram, Table, as_markdown
from hone.tracking.tracker import RunInfo, Tracker

_AXES = {"step", "epoch", "time", "examples", "seconds"}


@final
class TensorBoardTracker(Tracker):
    """Writes curves, texts, and hyperparameters with the final scores, so that TensorBoard can compare runs."""

    def __init__(self, examples: Index = 32) -> None:
        if find_spec("tensorboardX") is None:
            raise UserError(
                "tracker=tensorboard needs tensorboardX, which is not installed: pip install 'hone-lab[tensorboard]'."
            )
        self.examples = examples
        self.root: Path | None = None
        self.folder = Path()
        self.writer: Any = None
        self._close: Callable[[], object] = lambda: None

    def start(self, run: RunInfo) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.summary import hparams

        self.root, self.folder = run.root, run.folder
        # The suffix keeps apart two files of one run that is resumed within a second.
        self.writer = EventsWriter(str(run.folder / "events"), f".{secrets.token_hex(4)}")
        self._close = weakref.finalize(
            self, self.writer.close
        )  # closes it too when the tracker is dropped after a failure
        self._write(summary=hparams(dict(_hyperparameters(run.config)), {})[1])
        if run.notes:
            self._text("notes", as_markdown(Table([run.name], [[run.notes]])), 0)

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Have TensorBoard drop what earlier files say about the steps after these rows."""
        from tensorboardX.proto.event_pb2 import SessionLog

        last = int(rows[-1]["step"]) if rows else 0
        self._write(last + 1, session_log=SessionLog(status=SessionLog.START))

    def log(self, number: int, row: Mapping[str, Any]) -> None:
        values = {name: value for name, value in row.items() if name not in _AXES and isinstance(value, int | float)}
        self._scalars(values, int(row["step"]), row.get("time"))

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        if isinstance(exhibit, Histogram):
            self._write(step or 0, summary=_histogram(name, exhibit))
        elif isinstance(exhibit, Files) and exhibit.kind == "image":
            self._write(step or 0, summary=_pictures(name, exhibit, self.folder))
        else:
            self._text(name, as_markdown(exhibit), step or 0)

    def page(self, name: str, html: str) -> None:
        """Do nothing: TensorBoard shows no pages, and the run's folder has the page anyway."""

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> None:
        self._scalars(dict(_conclusions(summary)), int(summary.get("best/step") or 0), None)
        self._write(summary=_end(state))
        self._close()

    def advice(self) -> str | None:
        return None if self.root is None else f"tensorboard --logdir {relative_to_cwd(self.root)}"

    def _scalars(self, values: Mapping[str, float], step: int, moment: float | None) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        if not values:
            return
        parts = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(step, moment, summary=Summary(value=parts))

    def _text(self, name: str, content: str, step: int) -> None:
        from tensorboardX.summary import text

        self._write(step, summary=text(name, content))

    def _write(self, step: int = 0, moment: float | None = None, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        if self.writer is None:  # the run never started
            return
        self.writer.write_event(Event(wall_time=moment or time.time(), step=step, **content))
        self.writer.flush()


def _hyperparameters(config: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings that can change a result, by dotted names, as plain values."""
    for key, value in config.items():
        name = f"{place}{key}"
        if key.startswith("_") or key == "provenance" or not has_effect(name.removeprefix("choices.")):
            continue
        if isinstance(value, Mapping):
            yield from _hyperparameters(value, f"{name}.")
        elif value is not None:
            yield name, value if isinstance(value, bool | int | float | str) else str(value)


def _conclusions(summary: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the best evaluation and its scores, which no row of the journal has."""
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


def _pictures(name: str, files: Files, folder: Path) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary

    contents = [(folder / file).read_bytes() for file in files.names]
    return Summary(
        value=[
            Summary.Value(tag=f"{name}/{place}", image=Summary.Image(encoded_image_string=content))
            for place, content in enumerate(contents)
        ]
    )


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
