"""`hone predict`: texts or a file of rows through a trained model, in order, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from datasets import Dataset
from lightning.fabric import Fabric
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from hone.commands.predict import model
from hone.commands.predict.model import Model
from hone.commands.predict.rows import Asked, Broken, Row, read, typed
from hone.commands.predict.sinks import open_sink
from hone.commands.predict.zero_shot import ZeroShot
from hone.config.job import Invocation
from hone.config.settings import PredictSettings
from hone.core import seeds
from hone.core.columns import read_columns, row_lengths
from hone.core.errors import UserError
from hone.core.log import capture_log, quieten_libraries
from hone.core.progress_bar import console
from hone.core.task import Columns, Predictive
from hone.data.module import Batches
from hone.data.plan import sorted_batches
from hone.training import fabric as devices
from hone.training.evaluation import predictor, run_through
from hone.training.fabric import resolve_precision

_CHUNK = 1024
"""Rows that are sorted by length, predicted and written together."""


def main(settings: PredictSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Loads, reads, predicts and writes."""
    quieten_libraries()
    with capture_log(), open_sink(settings.output) as sink, _progress() as told:
        found = _model(settings, parts)
        asked = Asked(found.task, settings.columns or {}, settings.on_bad_row, found.learned_from)
        precision = resolve_precision(settings.precision or found.precision, settings.accelerator)
        fabric = devices.make_fabric(settings.accelerator, precision)
        network = predictor(fabric, found.network, found.task)
        done = 0
        for chunk in asked.chunks(_rows(settings, asked), _CHUNK):
            encoded = asked.encoded(chunk)
            if encoded:
                outcomes = list(_outcomes(fabric, network, found.task, encoded, settings.batch_size))
                sink.write([_together(chunk[number], outcome) for number, outcome in outcomes])
                done += len(outcomes)
            told(done)
        asked.tell(done)


def _model(settings: PredictSettings, parts: Mapping[str, Any]) -> Model:
    named = [name for name, node in parts.items() if node is not None]
    if settings.options and settings.run is None:
        raise UserError(f"options: are for a run's task; without a run say task.{next(iter(settings.options))}=….")
    if settings.zero_shot is not None and (settings.run is None) != (named == []) and "task" not in named:
        zero_shot = ZeroShot(settings.zero_shot, settings.hypothesis, settings.several)
        return model.of_entailment(settings.run, parts, zero_shot, settings.trust)
    if settings.run is not None and not named:
        return model.of_run(settings.run, settings.options or {}, settings.trust)
    if settings.run is None and len(named) == len(parts) and settings.zero_shot is None:
        return model.of_checkpoint(parts, settings.trust)
    said = ", ".join(name for name in ("run", "zero_shot", *named) if name in named or getattr(settings, name, None))
    raise UserError(
        f"Say run=DIR, checkpoint=… with task=…, or either with zero_shot=[…]; there is {said or 'neither'}."
    )


def _rows(settings: PredictSettings, asked: Asked) -> Iterator[Row | Broken]:
    if settings.input is not None:
        return read(settings.input, asked.required[0])
    inputs = settings.inputs or {}
    asked.require_known(inputs)
    return map(asked.with_lists, typed(inputs))


def _outcomes(
    fabric: Fabric, network: Any, task: Predictive, encoded: Columns, batch_size: int
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The number of each row and what is predicted of it, in the order of the rows."""
    rows = Dataset.from_dict(encoded).with_format("arrow")
    plan = sorted_batches(row_lengths(rows), batch_size)
    batches = Batches(plan, lambda _, places: task.collate(read_columns(rows, places), seeds.stream(0, "collate")))
    records = task.merge(run_through(fabric, network, batches))
    for place in sorted(range(len(records["id"])), key=lambda place: int(records["id"][place])):
        record = {name: values[place] for name, values in records.items()}
        yield int(record["id"]), task.outcome(record)


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
