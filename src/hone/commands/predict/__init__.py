"""`hone predict`: run texts or a file of rows through a trained model, in order and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress, TextColumn, TimeElapsedColumn

from hone.commands.predict import model
from hone.commands.predict.inputs import TABLES, BrokenRow, Row, read_rows, typed_rows
from hone.commands.predict.large_answers import LargeAnswers
from hone.commands.predict.model import TrainedModel
from hone.commands.predict.passes import Passes
from hone.commands.predict.rows import RowEncoder
from hone.commands.predict.sinks import open_sink
from hone.config.job import Invocation
from hone.config.settings import PredictSettings
from hone.core.errors import RowError, UserError
from hone.core.log import capture_log, quieten_libraries
from hone.core.progress_bar import console
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import media_name
from hone.training import fabric as devices
from hone.training.evaluation import predictor
from hone.training.precision import resolve_precision

_CHUNK = 1024
"""Rows that are sorted by length, predicted and written together."""


def main(settings: PredictSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Load the model, then read, predict and write chunk by chunk."""
    quieten_libraries()
    with capture_log(), open_sink(settings.output) as sink, _progress_bar() as show_progress:
        trained = _load_model(settings, parts)
        encoder = RowEncoder(
            trained.task, settings.columns or {}, settings.on_bad_row, trained.learned_roles, _folder_of(settings.input)
        )
        large = LargeAnswers(trained.task.bulky, settings.output)
        precision = resolve_precision(settings.precision or trained.precision, settings.accelerator, trained.network)
        fabric = devices.make_fabric(settings.accelerator, precision)
        network = predictor(fabric, trained.network, trained.task)
        passes = Passes(fabric, network, trained.task, settings.batch_size)
        done = 0
        for chunk in encoder.chunks(_read(settings, encoder), _CHUNK):
            encoded = encoder.encode(chunk)
            if encoded is not None:
                outcomes = _predict(passes, encoder, encoded, chunk)
                sink.write([_merge(chunk[number], large.store(number, outcome)) for number, outcome in outcomes])
                done += len(outcomes)
            show_progress(done)
        encoder.report_skipped(done)


def _load_model(settings: PredictSettings, parts: Mapping[str, Any]) -> TrainedModel:
    """Load a run's model, a checkpoint's, or either for zero-shot classification, whichever the settings ask for."""
    given = [name for name, node in parts.items() if node is not None]
    if settings.options and settings.run is None:
        option = next(iter(settings.options))
        raise UserError(f"options: only for the task of a run. Without a run, give task.{option}=… instead.")
    if settings.zero_shot is not None and (settings.run is None) != (given == []) and "task" not in given:
        return model.load_for_zero_shot(settings, parts)
    if settings.run is not None and not given:
        return model.load_run(settings.run, settings.options or {}, settings.trust, settings.verify)
    if settings.run is None and len(given) == len(parts) and settings.zero_shot is None:
        return model.load_checkpoint(parts, settings.trust)
    if settings.zero_shot is not None:
        given.insert(0, "zero_shot")
    if settings.run is not None:
        given.insert(0, "run")
    raise UserError(
        "Give run=DIR, or checkpoint=… with task=…, or either run=DIR or checkpoint=… with zero_shot=[…]; "
        f"given: {', '.join(given) or 'none of them'}."
    )


def _folder_of(place: str | None) -> Path:
    """Return the folder of a table of rows. Files that are named on the command line are relative to this one."""
    path = Path(place or "").expanduser()
    return path.parent if path.suffix.lower() in TABLES else Path()


def _read(settings: PredictSettings, encoder: RowEncoder) -> Iterator[Row | BrokenRow]:
    inputs = settings.inputs or {}
    encoder.require_roles(inputs)
    if settings.input is None:
        return map(encoder.parse_lists, typed_rows(inputs))
    first = encoder.required[0]
    rows = read_rows(settings.input, first, encoder.task.media.get(first))
    if not inputs:
        return rows
    _require_one_for_all(inputs, first, encoder)
    (shared,) = map(encoder.parse_lists, typed_rows(inputs))
    return (row if isinstance(row, BrokenRow) else {**shared, **row} for row in rows)


def _require_one_for_all(inputs: Mapping[str, Sequence[str]], first: str, encoder: RowEncoder) -> None:
    """Raise UserError unless the texts are the same for all files of an input, such as a question about pictures."""
    if first not in encoder.task.media or first in inputs:
        raise UserError(f'input= and texts exclude each other: use {first}="…", or input=FILE.')
    for role, texts in inputs.items():
        if len(texts) > 1:
            raise UserError(f"{len(texts)} × {role}=: with input= there is one for all files.")


def _predict(
    passes: Passes, encoder: RowEncoder, rows: EncodedRows, chunk: Mapping[int, Row]
) -> list[tuple[int, Mapping[str, Any]]]:
    """Predict a chunk. Rows whose media cannot be decoded are reported, or skipped if that is allowed."""
    try:
        return list(passes.predict(rows))
    except RowError:
        readable = encoder.without_undecodable(rows, chunk)
        return [] if readable is None else list(passes.predict(readable))


def _merge(row: Row, outcome: Mapping[str, Any]) -> Row:
    """Join what was read with what is predicted; a prediction whose name is taken becomes `predicted_…`."""
    shown = {name: media_name(value) for name, value in row.items()}
    return {**shown, **{f"predicted_{name}" if name in row else name: value for name, value in outcome.items()}}


@contextmanager
def _progress_bar() -> Iterator[Callable[[int], None]]:
    """Yield a function that shows how many rows are done, if standard error is a terminal."""
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,} rows"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("predicting", total=None)
        yield lambda done: bar.update(task, completed=done)
