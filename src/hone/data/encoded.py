"""Canonical rows to what the model reads, once, through the cache."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from hone.core import cache
from hone.core.errors import RowError
from hone.core.paths import cache_key
from hone.core.task import Fault, Task
from hone.data.bad_rows import Tally, find_bad_rows, report_bad_rows
from hone.data.recipe import code, options
from hone.data.rows import Rows, fingerprint
from hone.data.source import Source


def encode(rows: Rows, task: Task, source: Source) -> tuple[Rows, dict[str, Dataset]]:
    """Every split, encoded; and the rows without those that do not go into the model, which are treated as any bad
    row is."""
    facts = rows.facts
    recipe = [options(task), code(task, encode), processor_digest(task.processor), facts.kind, facts.labels]
    usable, encoded = dict(rows.splits), {}
    for split, part in rows.splits.items():
        try:
            encoded[split] = _encode(part, task, recipe)
        except RowError:
            usable[split] = _fitting(part, split, task, source)
            encoded[split] = _encode(usable[split], task, recipe)
    return replace(rows, splits=usable), encoded


def processor_digest(processor: Any) -> str:
    """A digest of all that a processor saves of itself."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        processor.save_pretrained(folder)
        for file in sorted(Path(folder).iterdir()):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _encode(rows: Dataset, task: Task, recipe: list[Any]) -> Dataset:
    name = cache_key(fingerprint([rows]), recipe)

    def make(file: str | None) -> Dataset:
        return rows.map(
            task.encode,
            batched=True,
            remove_columns=rows.column_names,
            cache_file_name=file,
            keep_in_memory=file is None,
            new_fingerprint=name,
            try_original_type=False,  # a label that was text is a number now
        )

    return cache.load_or_make("encoded", name, make)


def _fitting(rows: Dataset, split: str, task: Task, source: Source) -> Dataset:
    found = find_bad_rows(lambda start, stop: task.encode(rows[start:stop]), len(rows))
    tally = Tally()
    fitting = tally.sift(rows, (Fault(place, error.role, error.problem) for place, error in found))
    report_bad_rows(tally.bad, tally.rows, tally.told(source), split, source)
    return fitting
