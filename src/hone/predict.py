"""`hone predict`: texts or a file of rows through a trained model, in order, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from datasets import Dataset
from lightning.fabric import Fabric
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from hone import devices
from hone.batching.random import Random
from hone.data.module import DataModule
from hone.errors import UserError
from hone.evaluation import predict, predictor
from hone.invocation import Invocation
from hone.logs import logged, quieten_libraries
from hone.precision import settle
from hone.prediction import model
from hone.prediction.asked import Asked
from hone.prediction.model import Model
from hone.prediction.rows import Broken, Row, read, typed
from hone.prediction.sinks import open_sink
from hone.progress import console
from hone.settings import Predict
from hone.tasks.base import Columns

_CHUNK = 1024
"""Rows that are sorted by length, predicted and written together."""


def main(settings: Predict, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Loads, reads, predicts and writes."""
    quieten_libraries()
    with logged(), open_sink(settings.output) as sink, _progress() as told:
        found = _model(settings, parts)
        asked = Asked(found.task, settings.columns or {}, settings.on_bad_row)
        precision = settle(settings.precision or found.precision, settings.accelerator)
        fabric = devices.make_fabric(settings.accelerator, precision)
        network = predictor(fabric, found.network, found.task)
        done = 0
        for chunk in asked.chunks(_rows(settings, asked), _CHUNK):
            outcomes = _outcomes(fabric, network, found, _encoded(asked, chunk), settings.batch_size)
            sink.write([_together(chunk[number], outcome) for number, outcome in outcomes])
            done += len(chunk)
            told(done)
        asked.tell()


def _model(settings: Predict, parts: Mapping[str, Any]) -> Model:
    named = [name for name, node in parts.items() if node is not None]
    if settings.run is not None and not named:
        return model.of_run(settings.run, settings.options or {}, settings.trust)
    if settings.run is None and len(named) == len(parts):
        if settings.options:
            raise UserError(f"options: are for a run's task; without a run say task.{next(iter(settings.options))}=….")
        return model.of_checkpoint(parts, settings.trust)
    said = ", ".join([*(["run"] if settings.run else []), *named]) or "neither"
    raise UserError(f"Say run=DIR, or checkpoint=… together with task=…; there is {said}.")


def _rows(settings: Predict, asked: Asked) -> Iterator[Row | Broken]:
    if settings.input is not None:
        return read(settings.input, asked.required[0])
    inputs = settings.inputs or {}
    asked.require_known(inputs)
    return typed(inputs)


def _encoded(asked: Asked, chunk: Mapping[int, Row]) -> Dataset:
    """As the task reads them; a row that it refuses is left out where that is allowed."""
    try:
        return Dataset.from_dict(asked.task.encode(asked.raw(chunk)))
    except UserError as error:
        if asked.on_bad_row == "error" or len(chunk) == 1:
            raise
        kept = {}
        for number, row in chunk.items():
            try:
                asked.task.encode(asked.raw({number: row}))
                kept[number] = row
            except UserError as refused:
                asked.skip(number, str(refused))
        if not kept:
            raise UserError(f"input: no row of {len(chunk)} can be used. {error}") from error
        return Dataset.from_dict(asked.task.encode(asked.raw(kept)))


def _outcomes(
    fabric: Fabric, network: Any, found: Model, encoded: Dataset, batch_size: int
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The number of each row and what is predicted of it, in the order of the rows."""
    data = DataModule({"asked": encoded}, found.task, Random(), batch_size)
    records: Columns = predict(fabric, network, data, "asked")
    order = sorted(range(len(records["id"])), key=lambda place: int(records["id"][place]))
    for place in order:
        record = {name: values[place] for name, values in records.items()}
        yield int(record["id"]), found.task.outcome(record)


def _together(row: Row, outcome: Mapping[str, Any]) -> Row:
    """What was read and what is predicted; where both have a name, the prediction's tells what it is."""
    return {**row, **{f"predicted_{name}" if name in row else name: value for name, value in outcome.items()}}


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """How many rows are done, for people who wait for a file."""
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,} rows"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("predicting", total=None)
        yield lambda done: bar.update(task, completed=done)
