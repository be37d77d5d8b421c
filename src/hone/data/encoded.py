"""Canonical rows to what the model reads, once, through the cache."""

from __future__ import annotations

import hashlib
import inspect
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

import hone
from hone import cache
from hone.data.rows import Rows, fingerprint
from hone.tasks.base import Task


def encode(rows: Rows, task: Task) -> dict[str, Dataset]:
    """Every split, encoded."""
    recipe = [hone.__version__, _options(task), _source(task), processor_digest(task.processor), rows.facts.labels]
    return {split: _encode(part, task, recipe) for split, part in rows.splits.items()}


def processor_digest(processor: Any) -> str:
    """A digest of all that a processor saves of itself."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        processor.save_pretrained(folder)
        for file in sorted(Path(folder).iterdir()):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _encode(rows: Dataset, task: Task, recipe: list[Any]) -> Dataset:
    name = cache.key(fingerprint([rows]), recipe)

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

    return cache.remember("encoded", name, make)


def _options(task: Task) -> Mapping[str, Any]:
    plain = (str, int, float, list, dict, type(None))
    return {name: value for name, value in vars(task).items() if isinstance(value, plain)}


def _source(task: Task) -> str:
    """The code that encodes, and what it uses of ours: when it has changed, it must not find what it made before."""
    own = inspect.getmodule(type(task))
    helpers = {inspect.getmodule(value) for value in vars(own).values()}
    ours = {module for module in helpers if module and module.__name__.partition(".")[0] == "hone"}
    modules = sorted({own, inspect.getmodule(encode), *ours} - {None}, key=lambda module: module.__name__)
    return hashlib.sha256("".join(inspect.getsource(module) for module in modules).encode()).hexdigest()
