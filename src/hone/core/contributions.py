"""What each record adds to each metric of a task: computed once, for the scores and for the run's folder.

A file has the codes of every metric that is a function of sums, and the names of the functions that make a score of
them. So `hone compare` can resample the metrics of any task without the task, which would bring torch and, where it is
somebody's own, code that nobody has vouched for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hone.core.metric import Array, Columns, Metric, Scores, SumMetric, code_rows
from hone.core.trust import function_of, name_of

_ABOUT = b"hone"


@final
@dataclass(frozen=True)
class Measure:
    """A metric of one run's records, as far as it is a function of sums."""

    codes: Array
    """A row of numbers for each record."""
    score: Callable[[Array], Any]
    expand: Callable[[Array], Array]


@final
@dataclass(frozen=True)
class Contributions:
    """The records of a split and what they add; metrics that read the same codes share them."""

    metrics: Mapping[str, Metric]
    records: Columns
    codes: Mapping[Callable[[Columns], Any], Array]

    @classmethod
    def of(cls, metrics: Mapping[str, Metric], records: Columns) -> Self:
        reads = dict.fromkeys(metric.codes for metric in metrics.values() if isinstance(metric, SumMetric))
        return cls(metrics, records, {read: code_rows(read(records)) for read in reads})

    def scores(self) -> Scores:
        """Every metric; one that gives several numbers names them behind a slash, the whole by nothing."""
        scores: Scores = {}
        for name, metric in self.metrics.items():
            value = self._score(metric)
            parts = value if isinstance(value, dict) else {"": value}
            scores |= {f"{name}/{part}" if part else name: float(each) for part, each in parts.items()}
        return {name: value for name, value in scores.items() if not np.isnan(value)}

    def save(self, path: Path, truth: str) -> None:
        """`truth` identifies what the examples should have been predicted as."""
        columns = {str(place): codes for place, codes in enumerate(self.codes.values())}
        places = {read: str(place) for place, read in enumerate(self.codes)}
        about = {
            name: {
                "codes": places[metric.codes],
                "score": name_of(metric.score),
                "expand": name_of(metric.expand),
                "parts": list(metric.parts),
            }
            for name, metric in self.metrics.items()
            if isinstance(metric, SumMetric)
        }
        arrays = {"id": pa.array(list(self.records["id"]))} | {name: _lists(rows) for name, rows in columns.items()}
        described = {_ABOUT: json.dumps({"truth": truth, "metrics": about}).encode()}
        path.parent.mkdir(exist_ok=True)
        draft = path.with_name(f".{path.name}")
        pq.write_table(pa.table(arrays).replace_schema_metadata(described), draft)
        draft.replace(path)

    def _score(self, metric: Metric) -> float | Scores:
        if isinstance(metric, SumMetric):
            return metric.score_codes(self.codes[metric.codes])
        return metric.compute(self.records)


def truth_of(records: Columns, names: tuple[str, ...], labels: tuple[str, ...]) -> str:
    """A digest of what the examples should have been predicted as: an id is but a place in some split."""
    digest = hashlib.sha256(repr(labels).encode())
    for name in names:
        for value in records.get(name, ()):
            digest.update(repr(value.tolist() if isinstance(value, np.ndarray | np.generic) else value).encode())
    return digest.hexdigest()


@final
@dataclass(frozen=True)
class SavedContributions:
    """The examples of a run and what each adds to one metric."""

    ids: Array
    measure: Measure
    truth: str

    @classmethod
    def load(cls, path: Path, metric: str) -> Self | None:
        """None where nothing was saved, or the metric is no function of sums."""
        try:
            file = pq.ParquetFile(path, memory_map=True)
            about = json.loads((file.schema_arrow.metadata or {})[_ABOUT])
            name, _, part = metric.partition("/")
            known = about["metrics"][name]
            score = _of_part(function_of(known["score"]), known["parts"], part)
            ids, codes = _columns(file, known["codes"])
        except (OSError, ValueError, KeyError, pa.ArrowException):
            return None
        order = np.argsort(ids, kind="stable")
        expand = function_of(known["expand"])
        return cls(ids[order], Measure(codes[order], score, expand), about["truth"])

    def same_examples(self, other: SavedContributions) -> bool:
        return self.truth == other.truth and np.array_equal(self.ids, other.ids)


def _of_part(score: Callable[[Array], Any], parts: list[str], part: str) -> Callable[[Array], Any]:
    """A ValueError where there is no such part. A draw in which a part has no score shows no difference either."""
    if not parts and not part:
        return score
    place = parts.index(part)
    return lambda sums: np.nan_to_num(np.asarray(score(sums))[..., place])


def _columns(file: pq.ParquetFile, name: str) -> tuple[Array, Array]:
    table = file.read(["id", name])
    lists = table.column(name).combine_chunks()
    return np.asarray(table.column("id")), lists.flatten().to_numpy().reshape(len(lists), -1)


def _lists(rows: Array) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
