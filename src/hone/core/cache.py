"""Encoded rows on disk, named by what they were made from: made once, shared by every run that would make the same."""

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
"""Seconds of waiting that nobody needs to hear of."""


def load_or_make(kind: str, name: str, make: Callable[[str | None], Dataset]) -> Dataset:
    """The rows called `name`: from the cache, or made (into the given file) while other processes wait."""
    path = cache_folder() / kind / f"{name}.arrow"
    if (kept := _read(path)) is not None:  # needs no lock: a file gets its name when it is whole
        return kept
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.with_suffix(".lock")):
            if (kept := _read(path)) is not None:
                return kept
            if path.is_file():
                log.warning("%s in the cache is damaged and is made anew.", path)
            _make_into(path, make)
            return Dataset.from_file(str(path))
    except OSError as error:
        log.warning("The cache at %s cannot be used (%s); %s rows are made in memory.", cache_folder(), error, kind)
        return make(None)


def store_rows(rows: Dataset, file: str | None) -> Dataset:
    """Writes rows made in memory to the file, when there is one to write."""
    if file is None:
        return rows
    table = rows.data.table.combine_chunks()
    with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return Dataset.from_file(file)


def _read(path: Path) -> Dataset | None:
    """The rows of a file that is there and whole."""
    try:
        return Dataset.from_file(str(path)) if path.is_file() else None
    except (OSError, ValueError):  # what pyarrow says of files that are cut or none of its own
        return None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """The kernel frees such a lock when its holder dies, however it dies."""
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
        made = make(str(file))
        del made  # closes its map of the file before it moves
        with file.open("rb") as written:
            os.fsync(written)  # a machine that goes down now must not leave a name without content
        file.replace(path)
