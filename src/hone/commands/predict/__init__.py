"""`hone predict`: run texts or a file of rows through a trained model, in order and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from datasets import Dataset
from lightning.fabric import Fabric
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from hone.commands.predict import model
from hone.commands.predict.inputs import BrokenRow, Row, read_rows, typed_rows
from hone.commands.predict.model import TrainedModel
from hone.commands.predict.rows import RowEncoder
from hone.commands.predict.sinks import open_sink
from hone.commands.predict.zero_shot import ZeroShot
from hone.config.job import Invocation
from hone.config.settings import PredictSettings
from hone.core.errors import UserError
from hone.core.log import capture_log, quieten_libraries
from hone.core.metric import Columns
from hone.core.progress_bar import console
from hone.core.task import Predictive
from hone.data.encoded_rows import EncodedRows
from hone.data.module import Batches
from hone.data.plan import sorted_batches
from hone.training import fabric as devices
from hone.training.evaluation import predictor, run_through
from hone.training.fabric import resolve_precision

_CHUNK = 1024
"""Rows that are sorted by length, predicted and written together."""


def main(settings: PredictSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Load the model, then read, predict and write chunk by chunk."""
    quieten_libraries()
    with capture_log(), open_sink(settings.output) as sink, _progress_bar() as show_progress:
        trained = _load_model(settings, parts)
        encoder = RowEncoder(trained.task, settings.columns or {}, settings.on_bad_row, trained.learned_roles)
        precision = resolve_precision(settings.precision or trained.precision, settings.accelerator)
        fabric = devices.make_fabric(settings.accelerator, precision)
        network = predictor(fabric, trained.network, trained.task)
        done = 0
        for chunk in encoder.chunks(_read(settings, encoder), _CHUNK):
            encoded = encoder.encode(chunk)
            if encoded:
                outcomes = list(_predict(fabric, network, trained.task, encoded, settings.batch_size))
                sink.write([_merge(chunk[number], outcome) for number, outcome in outcomes])
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
        zero_shot = ZeroShot(settings.zero_shot, settings.hypothesis, settings.several)
        return model.load_for_zero_shot(settings.run, parts, zero_shot, settings.trust, settings.verify)
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


def _read(settings: PredictSettings, encoder: RowEncoder) -> Iterator[Row | BrokenRow]:
    if settings.input is not None:
        return read_rows(settings.input, encoder.required[0])
    inputs = settings.inputs or {}
    encoder.require_roles(inputs)
    return map(encoder.parse_lists, typed_rows(inputs))


def _predict(
    fabric: Fabric, network: Any, task: Predictive, encoded: Columns, batch_size: int
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the number of each row and its prediction, in the order of the rows."""
    rows = EncodedRows.of(Dataset.from_dict(encoded), None, task)
    batches = Batches(sorted_batches(rows.lengths, batch_size), lambda _, places: rows.collate(task, places))
    records = task.merge(run_through(fabric, network, batches))
    for place in sorted(range(len(records["id"])), key=lambda place: int(records["id"][place])):
        record = {name: values[place] for name, values in records.items()}
        yield int(record["id"]), task.outcome(record)


def _merge(row: Row, outcome: Mapping[str, Any]) -> Row:
    """Join what was read with what is predicted; a prediction whose name is taken becomes `predicted_…`."""
    return {**row, **{f"predicted_{name}" if name in row else name: value for name, value in outcome.items()}}


@contextmanager
def _progress_bar() -> Iterator[Callable[[int], None]]:
    """Yield a function that shows how many rows are done, if standard error is a terminal."""
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,} rows"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("predicting", total=None)
        yield lambda done: bar.update(task, completed=done)
