"""Turns raw rows into rows a task can use: canonical columns, a validation split, a limit, and no bad rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import UserError, naming_rows
from hone.core.task import Facts, Task
from hone.data.bad_rows import BadRowSummary, report_bad_rows
from hone.data.canonical import label_names, to_canonical
from hone.data.media.storing import find_refused, has_contents
from hone.data.source import SPLITS, Source
from hone.data.streaming import Stream, open_stream

_DATA_SEED = 0
"""Held-out and limited rows do not depend on the run's seed, so that runs can be compared."""
_MANY, _FEW = 10_000, 32
"""How many rows are digested together: few where they have the contents of files, which are copied for it."""


@final
@dataclass(frozen=True)
class Rows:
    """The canonical rows of each split and the facts about them. The training rows may be a stream instead."""

    splits: Mapping[str, Dataset]
    facts: Facts
    stream: Stream | None = None

    @property
    def sizes(self) -> dict[str, int]:
        sizes = {} if self.stream is None else {"train": self.stream.size}
        return sizes | {split: len(rows) for split, rows in self.splits.items()}

    def fingerprint(self) -> str:
        """Returns a digest of the rows' content, or of the names and times of a stream's files."""
        content = fingerprint(self.splits.values())
        return content if self.stream is None else f"stamp-{self.stream.incoming.stamp[:16]}-{content}"


def load_rows(source: Source, task: Task, limit: int | None = None, facts: Facts | None = None) -> Rows:
    """Loads and prepares the rows of a source; `facts` are given where a model is already trained."""
    with naming_rows(source.name):
        return (_prepare_stream if source.streaming else _prepare_all)(source, task, limit, facts)


def _prepare_all(source: Source, task: Task, limit: int | None, facts: Facts | None) -> Rows:
    """Loads all splits, and holds rows out for validation where there is no such split."""
    raw = _load_raw(source)
    names = label_names(raw["train"], source)
    splits: dict[str, Dataset] = {
        split: _drop_refused(to_canonical(raw[split], split, source, task), split, source, task)
        for split in SPLITS
        if split in raw
    }
    whole = splits["train"]
    train_facts = facts or task.find_facts(whole, names)
    splits["train"] = _drop_bad_rows(whole, "train", source, task, train_facts)
    if "validation" not in splits and source.holdout > 0:
        splits["train"], splits["validation"] = _hold_out(splits["train"], source)
    if facts is None and splits["train"] is not whole:
        # The facts are found again without bad and held-out rows, but before `limit`, which may miss a rare label.
        train_facts = task.find_facts(splits["train"], names)
    for split, rows in splits.items():
        splits[split] = _limit_rows(rows, limit)
        if split != "train":
            splits[split] = _drop_bad_rows(splits[split], split, source, task, train_facts)
    return Rows(splits, train_facts)


def _prepare_stream(source: Source, task: Task, limit: int | None, facts: Facts | None) -> Rows:
    """Loads all splits but the training rows, which are streamed, or not read at all where `facts` are given."""
    raw = _load_raw(source)
    if "validation" not in raw:
        raise UserError(
            f"{source.name}: no validation split, and none can be held out from a stream (dataset.streaming=true). "
            "Name one with dataset.splits.validation=…."
        )
    stream = None
    if facts is None:
        stream = open_stream(source, task, limit)
        facts = stream.survey.facts
    splits = {}
    for split, raw_rows in raw.items():
        rows = _drop_refused(_limit_rows(to_canonical(raw_rows, split, source, task), limit), split, source, task)
        splits[split] = _drop_bad_rows(rows, split, source, task, facts)
    return Rows(splits, facts, stream)


def _load_raw(source: Source) -> dict[str, Dataset]:
    splits = source.load()
    if "train" not in splits and not source.streaming:
        raise UserError(f"{source.name}: no training split; name it with dataset.splits.train=….")
    for split, raw in splits.items():
        if len(raw) == 0:
            raise UserError(f"{source.name}: the {split} split is empty.")
    return splits


def fingerprint(splits: Iterable[Dataset]) -> str:
    """Returns a digest of the rows' content, which does not depend on where they are stored."""
    digest = hashlib.sha256()
    for rows in splits:
        digest.update(str(rows.features).encode())
        for table in rows.with_format("arrow").iter(_FEW if has_contents(rows) else _MANY):
            for batch in table.combine_chunks().to_batches():
                digest.update(memoryview(batch.serialize()))
    return digest.hexdigest()[:16]


def _hold_out(rows: Dataset, source: Source) -> tuple[Dataset, Dataset]:
    """Holds out a share of the training rows for validation, the same share of every label.

    The first row drawn of a label always stays in training, so that no label is missing there.
    """
    classes: list[tuple[str, ...]] = [()] * len(rows)
    if "label" in rows.column_names:
        classes = [_classes(label) for label in read_column(rows, "label")]
    spare, seen = [], set[str]()
    for row in np.random.default_rng(_DATA_SEED).permutation(len(rows)):
        if seen.issuperset(classes[row]):
            spare.append(row)
        seen.update(classes[row])
    count = min(max(1, round(source.holdout * len(rows))), len(spare))
    if not 0 < count < len(rows):
        different = len({label for labels in classes for label in labels})
        reason = f": they have {different} different labels" if different > 1 else ""
        raise UserError(
            f"{source.name}: {len(rows)} training rows are too few to hold some out for validation{reason}."
        )
    # Rows at equal distances in the order of their labels have every label in proportion.
    spare.sort(key=lambda row: classes[row])
    held = np.zeros(len(rows), dtype=bool)
    held[np.array(spare)[np.linspace(0, len(spare) - 1, count).round().astype(int)]] = True
    return rows.select(np.flatnonzero(~held)), rows.select(np.flatnonzero(held))


def _classes(label: Any) -> tuple[str, ...]:
    """Returns the labels of a row that must also occur in training; numbers to predict are no labels."""
    if isinstance(label, list | tuple):
        return tuple(map(str, label))
    return (str(label),) if isinstance(label, str | int) else ()


def _limit_rows(rows: Dataset, limit: int | None) -> Dataset:
    """Returns `limit` rows drawn at random, in their original order."""
    if limit is None or limit >= len(rows):
        return rows
    return rows.select(np.sort(np.random.default_rng(_DATA_SEED).permutation(len(rows))[:limit]))


def _drop_refused(rows: Dataset, split: str, source: Source, task: Task) -> Dataset:
    """Returns the rows without those that name files which must not or cannot be opened. Tasks never see these."""
    summary = BadRowSummary()
    usable = summary.drop_bad_rows(rows, find_refused(rows, task, source.media_folders))
    report_bad_rows(summary.bad, summary.rows, summary.describe(source), split, source)
    return usable


def _drop_bad_rows(rows: Dataset, split: str, source: Source, task: Task, facts: Facts) -> Dataset:
    """Returns the rows without bad ones. Raises UserError unless the user agreed to leave those out."""
    summary = BadRowSummary()
    usable = summary.drop_bad_rows(rows, task.find_faults(rows, facts))
    report_bad_rows(summary.bad, summary.rows, summary.describe(source), split, source)
    return usable
