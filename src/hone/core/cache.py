"""A cache of encoded rows on disk. A file is named by what its rows were made from, so that rows are made once and
shared by every run that needs the same ones."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from datasets import Dataset
from filelock import FileLock, Timeout

from hone.core.paths import cache_folder

log = logging.getLogger(__name__)

_PATIENCE = 2.0
"""Seconds to wait for another process before the wait is logged."""


def load_or_make(kind: str, name: str, make: Callable[[str | None], Dataset]) -> Dataset:
    """Return the rows of a name from the cache, or make them while other processes wait.

    `make` gets the file to write to, or None if the rows must stay in memory."""
    path = cache_folder() / kind / f"{name}.arrow"
    rows = _read(path)  # needs no lock: a file gets its name once it is complete
    if rows is not None:
        return rows
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            rows = _read(path)  # another process may have made them in the meantime
            if rows is not None:
                return rows
            if path.is_file():
                log.warning("%s in the cache is damaged and is made anew.", path)
            _make_into(path, make)
            return Dataset.from_file(str(path))
    except OSError as error:
        log.warning("The cache at %s cannot be used (%s); %s rows are made in memory.", cache_folder(), error, kind)
        return make(None)


def store_rows(rows: Dataset, file: str | None) -> Dataset:
    """Write rows that were made in memory to the file, if there is one. Return the rows to use from here on."""
    if file is None:
        return rows
    table = rows.data.table.combine_chunks()
    with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return Dataset.from_file(file)


def _read(path: Path) -> Dataset | None:
    """Return the rows of a file, or None if it is missing or damaged."""
    try:
        return Dataset.from_file(str(path)) if path.is_file() else None
    except (OSError, ValueError):  # what pyarrow raises for a truncated or foreign file
        return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file. The kernel releases such a lock when its holder dies, however that happens."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        log.info("another process is making the same rows; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make_into(path: Path, make: Callable[[str | None], Dataset]) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        file = Path(folder, path.name)
        rows = make(str(file))
        del rows  # closes the memory map before the file moves
        with file.open("rb") as written:
            os.fsync(written)  # after a crash of the machine the name must not exist without the content
        file.replace(path)
