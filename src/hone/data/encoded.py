"""Encodes canonical rows into what the model reads. Each split is encoded once and then read from the cache."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset

from hone.core import cache
from hone.core.errors import RowError
from hone.core.paths import cache_key
from hone.core.task import Fault, Task
from hone.data.bad_rows import BadRowSummary, find_bad_rows, report_bad_rows
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.recipe import code_digest, task_options
from hone.data.rows import Rows, fingerprint
from hone.data.source import Source

_MANY, _FEW = 1000, 32
"""How many rows are encoded and written together: few where they may be as large as pictures or spectrograms."""


def encode(rows: Rows, task: Task, source: Source) -> tuple[Rows, dict[str, EncodedRows]]:
    """Returns the usable rows and every split encoded. Rows that do not fit the model are treated like any bad row."""
    facts = rows.facts
    recipe = [
        task_options(task), code_digest(task, encode), processor_digest(task.processor), facts.kind, facts.labels,
    ]  # fmt: skip
    usable, encoded = dict(rows.splits), {}
    for split, split_rows in rows.splits.items():
        try:
            encoded[split] = _encode_split(split_rows, task, recipe)
        except RowError:
            usable[split] = _drop_rows_that_do_not_fit(split_rows, split, task, source)
            encoded[split] = _encode_split(usable[split], task, recipe)
    return replace(rows, splits=usable), {
        split: EncodedRows.of(split_encoded, usable[split], task) for split, split_encoded in encoded.items()
    }


def processor_digest(processor: Any) -> str:
    """Returns a digest of all files that a processor saves."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        processor.save_pretrained(folder)
        for file in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _encode_split(rows: Dataset, task: Task, recipe: list[Any]) -> Dataset:
    name = cache_key(fingerprint([rows]), recipe)

    def make(file: str | None) -> Dataset:
        return rows.map(
            partial(encode_with_media, task),
            batched=True,
            batch_size=_FEW if task.media else _MANY,
            writer_batch_size=_FEW if task.media else _MANY,
            remove_columns=rows.column_names,
            cache_file_name=file,
            keep_in_memory=file is None,
            new_fingerprint=name,
            try_original_type=False,  # a label that was text is a number now
        )

    return cache.load_or_make("encoded", name, make)


def _drop_rows_that_do_not_fit(rows: Dataset, split: str, task: Task, source: Source) -> Dataset:
    errors = find_bad_rows(lambda start, stop: encode_with_media(task, rows[start:stop]), len(rows))
    summary = BadRowSummary()
    fitting = summary.drop_bad_rows(rows, (Fault(place, error.role, error.problem) for place, error in errors))
    report_bad_rows(summary.bad, summary.rows, summary.describe(source), split, source)
    return fitting
