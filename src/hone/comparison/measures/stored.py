"""A run's stored records of a split as the measure of a metric, if sums of records give the score that the run has."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from hone.comparison.measures import classes, sums, texts
from hone.comparison.measures.base import Array, Maker, Measure, Read, Told
from hone.comparison.runs import Entry
from hone.runs.folder import Folder

_ALIKE = 1e-4
"""By so much, relatively, a score may differ for rounding: records keep single precision."""


@final
@dataclass(frozen=True)
class Stored:
    """The examples a run was scored on, and what each adds to a metric."""

    ids: Array
    measure: Measure
    truth: str
    """A digest of what was wanted of the examples: ids alone are places in a split, whichever it is."""

    def same_examples(self, other: Stored) -> bool:
        return self.truth == other.truth and np.array_equal(self.ids, other.ids)


def stored(entry: Entry, metric: str) -> Stored | None:
    """None where there are no records, or the metric is no function of sums over them."""
    split, _, name = metric.partition("/")
    if entry.folder is None:
        return None
    path = Folder(entry.folder).predictions / f"{split}.parquet"
    try:
        read = _reader(path)
        ids = np.asarray(read("id"))
        told = _told(entry)
    except (OSError, ValueError, KeyError):
        return None
    for make in _makers(name):
        measure = _made(make, read, told)
        if measure is not None and math.isclose(measure.score(), entry.scores[metric], rel_tol=_ALIKE, abs_tol=_ALIKE):
            order = np.argsort(ids, kind="stable")
            return Stored(
                ids[order], Measure(measure.codes[order], measure.finish, measure.expand), _truth(read, told, entry)
            )
    return None


def _made(make: Maker, read: Read, told: Told) -> Measure | None:
    """None where the records are of another kind than this one is for."""
    try:
        return make(read, told)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        return None


def _makers(name: str) -> tuple[Maker, ...]:
    whole, _, part = name.partition("/")
    if part:
        return classes.of_class(part) if whole == "f1" else ()
    return tuple(make for module in (sums, classes, texts) for make in module.MEASURES.get(name, ()))


def _reader(path: Path) -> Callable[[str], Any]:
    """Reads a column when it is asked for; those of plain numbers are arrays, others lists."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, memory_map=True)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error

    def read(name: str) -> Any:
        if name not in file.schema_arrow.names:
            raise KeyError(name)
        column = file.read([name]).column(0)
        plain = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        return column.to_numpy() if plain else column.to_pylist()

    return read


def _truth(read: Read, told: Told, entry: Entry) -> str:
    digest = hashlib.sha256(repr((told.labels, entry.origin.get("data"))).encode())
    for name in ("label", "answers", "target"):
        try:
            values = read(name)
        except KeyError:
            continue
        digest.update(values.tobytes() if isinstance(values, np.ndarray) else repr(values).encode())
    return digest.hexdigest()


def _told(entry: Entry) -> Told:
    if entry.folder is None:
        return Told((), {})
    facts = json.loads(Folder(entry.folder).facts.read_text(encoding="utf-8"))
    options: Mapping[str, Any] = {
        key.removeprefix("task."): value for key, value in entry.settings.items() if key.startswith("task.")
    }
    return Told(tuple(facts.get("labels") or ()), options)
