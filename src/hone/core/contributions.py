"""What each record contributes to each metric of a task. It is computed once, for the scores and for the run's folder.

The file in the folder has the codes of every metric that is a function of sums, and the names of the functions that
turn sums into a score. So `hone compare` can resample the metrics of any task without importing the task, which would
import torch and, for a task from outside hone, code that the user has not trusted.
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

from hone.core.files import drafted, make_folder, storing
from hone.core.metric import Array, Columns, Metric, Scores, SumMetric, code_rows
from hone.core.trust import function_of, name_of

_ABOUT = b"hone"


@final
@dataclass(frozen=True)
class Measure:
    """A metric that is a function of sums, with the codes of one run's records."""

    codes: Array
    """One row of numbers per record."""
    score: Callable[[Array], Any]
    expand: Callable[[Array], Array]


@final
@dataclass(frozen=True)
class Contributions:
    """The records of a split and their codes for each metric. Metrics that read the same codes share them."""

    metrics: Mapping[str, Metric]
    records: Columns
    codes: Mapping[Callable[[Columns], Any], Array]

    @classmethod
    def of(cls, metrics: Mapping[str, Metric], records: Columns) -> Self:
        """Compute the codes of every metric that is a function of sums."""
        reads = dict.fromkeys(metric.codes for metric in metrics.values() if isinstance(metric, SumMetric))
        return cls(metrics, records, {read: code_rows(read(records)) for read in reads})

    def scores(self) -> Scores:
        """Return the score of every metric. Parts of a metric are named after a slash: `f1/positive`."""
        scores: Scores = {}
        for name, metric in self.metrics.items():
            value = self._score(metric)
            parts = value if isinstance(value, dict) else {"": value}
            scores |= {f"{name}/{part}" if part else name: float(score) for part, score in parts.items()}
        return {name: value for name, value in scores.items() if not np.isnan(value)}

    def save(self, path: Path, truth: str) -> None:
        """Write the codes to a file; `truth` is the digest of the correct answers (see `truth_of`)."""
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
        arrays = {"id": pa.array(list(self.records["id"]))} | {name: _as_lists(rows) for name, rows in columns.items()}
        described = {_ABOUT: json.dumps({"truth": truth, "metrics": about}).encode()}
        with storing(path):
            make_folder(path.parent)
        with drafted(path) as draft, draft.open("wb") as file:  # whose errors have a code, unlike those of pyarrow's
            pq.write_table(pa.table(arrays).replace_schema_metadata(described), file)

    def _score(self, metric: Metric) -> float | Scores:
        if isinstance(metric, SumMetric):
            return metric.score_codes(self.codes[metric.codes])
        return metric.compute(self.records)


def truth_of(records: Columns, names: tuple[str, ...], labels: tuple[str, ...]) -> str:
    """Return a digest of the correct answers. Ids alone do not identify examples: an id is only a place in a split."""
    digest = hashlib.sha256(repr(labels).encode())
    for name in names:
        for value in records.get(name, ()):
            digest.update(repr(value.tolist() if isinstance(value, np.ndarray | np.generic) else value).encode())
    return digest.hexdigest()


@final
@dataclass(frozen=True)
class SavedContributions:
    """The examples of a run and what each contributes to one metric, read from a file."""

    ids: Array
    measure: Measure
    truth: str

    @classmethod
    def load(cls, path: Path, metric: str) -> Self | None:
        """Return None if nothing was saved, or if the metric is not a function of sums."""
        try:
            file = pq.ParquetFile(path, memory_map=True)
            about = json.loads((file.schema_arrow.metadata or {})[_ABOUT])
            name, _, part = metric.partition("/")
            stored = about["metrics"][name]
            score = _score_of_part(function_of(stored["score"]), stored["parts"], part)
            ids, codes = _read_codes(file, stored["codes"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException):
            return None
        order = np.argsort(ids, kind="stable")
        expand = function_of(stored["expand"])
        return cls(ids[order], Measure(codes[order], score, expand), about["truth"])

    def same_examples(self, other: SavedContributions) -> bool:
        """Return whether two runs were evaluated on the same examples with the same correct answers."""
        return self.truth == other.truth and np.array_equal(self.ids, other.ids)


def _score_of_part(score: Callable[[Array], Any], parts: list[str], part: str) -> Callable[[Array], Any]:
    """Return the function that computes one part of a score. Raise ValueError if there is no such part."""
    if not parts and not part:
        return score
    place = parts.index(part)
    # A resample in which the part has no score counts as 0 for both runs, and so shows no difference.
    return lambda sums: np.nan_to_num(np.asarray(score(sums))[..., place])


def _read_codes(file: pq.ParquetFile, name: str) -> tuple[Array, Array]:
    table = file.read(["id", name])
    lists = table.column(name).combine_chunks()
    return np.asarray(table.column("id")), lists.flatten().to_numpy().reshape(len(lists), -1)


def _as_lists(rows: Array) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
