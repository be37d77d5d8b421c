"""Canonical rows to what the model reads, once, through the cache."""

from __future__ import annotations

import hashlib
import inspect
import sys
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
    own = sys.modules[type(task).__module__]
    used = [inspect.getmodule(value) for value in vars(own).values()]
    helpers = {module.__name__: module for module in used if module and module.__name__.startswith("hone.")}
    modules = [own, sys.modules[__name__], *(helpers[name] for name in sorted(helpers))]
    return hashlib.sha256("".join(inspect.getsource(module) for module in modules).encode()).hexdigest()
