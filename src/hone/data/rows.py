"""Raw rows to rows a task can use: canonical columns, a validation split, a limit, and no row that cannot work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import UserError
from hone.core.task import Facts, Task
from hone.data.bad_rows import Tally, report_bad_rows
from hone.data.canonical import label_names, to_canonical
from hone.data.source import SPLITS, Source
from hone.data.streaming import Stream, open_stream

_DATA_SEED = 0  # the held-out rows and `limit` do not follow the run's seed, so that runs can be compared


@final
@dataclass(frozen=True)
class Rows:
    """The canonical rows of each split and what is known of them; those for training may be a stream instead."""

    splits: Mapping[str, Dataset]
    facts: Facts
    stream: Stream | None = None

    @property
    def sizes(self) -> dict[str, int]:
        streamed = {} if self.stream is None else {"train": self.stream.size}
        return streamed | {split: len(rows) for split, rows in self.splits.items()}

    def fingerprint(self) -> str:
        """A digest of the rows' content; of a stream, of what its files say of themselves."""
        content = fingerprint(self.splits.values())
        return content if self.stream is None else f"stamp-{self.stream.incoming.stamp[:16]}-{content}"


def load_rows(source: Source, task: Task, limit: int | None = None, facts: Facts | None = None) -> Rows:
    """Loads, names, checks, splits and limits; `facts` are given where a model is already trained."""
    if source.streaming:
        return _prepare_stream(source, task, limit, facts)
    loaded = _loaded(source)
    names = label_names(loaded["train"], source)
    splits: dict[str, Dataset] = {
        split: to_canonical(loaded[split], split, source, task) for split in SPLITS if split in loaded
    }
    known = facts or task.find_facts(splits["train"], names)
    splits["train"] = _usable(splits["train"], "train", source, task, known)
    if "validation" not in splits and source.holdout > 0:
        splits["train"], splits["validation"] = _hold_out(splits["train"], source)
    known = facts or task.find_facts(splits["train"], names)  # before `limit`, which may miss a rare label
    drawn = {split: _draw(rows, limit) for split, rows in splits.items()}
    others = {split: _usable(rows, split, source, task, known) for split, rows in drawn.items() if split != "train"}
    return Rows({"train": drawn["train"], **others}, known)


def _prepare_stream(source: Source, task: Task, limit: int | None, facts: Facts | None) -> Rows:
    """Training rows stay where they are (and are not wanted where `facts` are given), the other splits are loaded."""
    loaded = _loaded(source)
    if "validation" not in loaded:
        raise UserError(
            f"{source.name}: no validation split, and from a stream (dataset.streaming=true) none is held out. "
            "Name one with dataset.splits.validation=…."
        )
    if facts is not None:
        stream, known = None, facts
    else:
        stream = open_stream(source, task, limit)
        known = stream.survey.facts
    drawn = {split: _draw(to_canonical(rows, split, source, task), limit) for split, rows in loaded.items()}
    return Rows({split: _usable(rows, split, source, task, known) for split, rows in drawn.items()}, known, stream)


def _loaded(source: Source) -> dict[str, Dataset]:
    loaded = source.load()
    if "train" not in loaded and not source.streaming:
        raise UserError(f"{source.name}: there is no training split; name it with dataset.splits.train=….")
    for split, raw in loaded.items():
        if len(raw) == 0:
            raise UserError(f"{source.name}: the {split} split is empty.")
    return loaded


def fingerprint(splits: Iterable[Dataset]) -> str:
    """A digest of the content of the rows, the same wherever they are stored."""
    digest = hashlib.sha256()
    for rows in splits:
        digest.update(str(rows.features).encode())
        for table in rows.with_format("arrow").iter(10_000):
            for batch in table.combine_chunks().to_batches():
                digest.update(memoryview(batch.serialize()))
    return digest.hexdigest()[:16]


def _hold_out(rows: Dataset, source: Source) -> tuple[Dataset, Dataset]:
    """A share of the training rows for validation: of every label its share, and of none the only row."""
    labels = read_column(rows, "label") if "label" in rows.column_names else None
    classes = [()] * len(rows) if labels is None else [_classes(label) for label in labels]
    spare, seen = [], set[str]()
    for row in np.random.default_rng(_DATA_SEED).permutation(len(rows)):
        if seen.issuperset(classes[row]):
            spare.append(row)
        seen.update(classes[row])
    count = min(max(1, round(source.holdout * len(rows))), len(spare))
    if not 0 < count < len(rows):
        raise UserError(f"{source.name}: {len(rows)} training rows are too few to hold some out for validation.")
    spare.sort(key=lambda row: classes[row])
    held = np.zeros(len(rows), dtype=bool)
    held[np.array(spare)[np.linspace(0, len(spare) - 1, count).round().astype(int)]] = True
    return rows.select(np.flatnonzero(~held)), rows.select(np.flatnonzero(held))


def _classes(label: Any) -> tuple[str, ...]:
    """The labels of a row that must also be seen in training."""
    if isinstance(label, list | tuple):
        return tuple(map(str, label))
    return (str(label),) if isinstance(label, str | int) else ()


def _draw(rows: Dataset, limit: int | None) -> Dataset:
    if limit is None or limit >= len(rows):
        return rows
    return rows.select(np.sort(np.random.default_rng(_DATA_SEED).permutation(len(rows))[:limit]))


def _usable(rows: Dataset, split: str, source: Source, task: Task, facts: Facts) -> Dataset:
    """The rows without those that cannot work; there are none such unless the user agreed to skip them."""
    tally = Tally()
    usable = tally.sift(rows, task.find_faults(rows, facts))
    report_bad_rows(tally.bad, tally.rows, tally.told(source), split, source)
    return usable
