"""Files and folders that are complete or absent, whenever their writer dies, and errors of a disk as one line.

What is written goes into a draft first, a hidden name with the number of the process. The draft reaches the disk before
it gets its final name, so that no crash of the machine leaves a name without content.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hone.core.errors import StorageError
from hone.core.redact import redact_known
from hone.core.wording import bytes_in_words

_CODE_IN_TEXT = re.compile(r"(?:\(os error |\[[Ee]rrno )(\d+)")
"""How safetensors, tokenizers and pyarrow pass on an error of the operating system."""
_REMEDIES = {
    errno.ENOSPC: "Free some space there.",
    errno.EDQUOT: "This is your quota, which may be smaller than the disk: delete some files of yours.",
    errno.EFBIG: "Files may not become larger here: see ulimit -f, and the limits of this file system.",
    errno.EIO: "The disk, or the connection to it, is failing.",
    errno.EROFS: "The disk is mounted read-only.",
    errno.ENOENT: "Its folder was removed or renamed while it was in use.",
    errno.ESTALE: "Its folder was removed or renamed while it was in use.",
}
_OLD = "-old"
"""The end of the name of a folder that is being replaced."""


def draft_of(path: Path) -> Path:
    """Return the name under which this process writes a file or a folder before it is complete."""
    return path.with_name(f".{path.name}.{os.getpid()}")


@contextmanager
def storing(path: Path, size: int | None = None) -> Iterator[None]:
    """Raise StorageError, which names the file, if the disk does not take what is written here."""
    try:
        yield
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        raise StorageError(_describe(path, code, size)) from error


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Yield the draft of a file. It replaces the file when it is complete, and is removed if it cannot be written."""
    draft = draft_of(path)
    with storing(path):
        try:
            yield draft
            sync(draft)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        sync(path.parent)


@contextmanager
def drafted_folder(folder: Path) -> Iterator[Path]:
    """Yield the draft of a folder. It replaces the folder when it is complete, and is removed if it is not."""
    draft, old = draft_of(folder), draft_of(folder.with_name(f"{folder.name}{_OLD}"))
    with storing(folder):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            yield draft
            sync_all(draft)
            if folder.exists():
                folder.rename(old)
            draft.rename(folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.rename(folder)
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync(folder.parent)
        shutil.rmtree(old, ignore_errors=True)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that it has either the old or the new content, even after a crash of the machine. Secrets that
    the environment or the config has are removed from the text."""
    with drafted(path) as draft:
        draft.write_text(redact_known(text), encoding="utf-8")


def append_line(descriptor: int, line: bytes) -> None:
    """Append a line to an open file, or nothing at all if the disk does not take all of it."""
    size, written = os.fstat(descriptor).st_size, 0
    try:
        while written < len(line):  # a full disk takes a part first, and gives the reason at the second attempt
            written += os.write(descriptor, line[written:])
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def make_folder(path: Path, parents: bool = True) -> None:
    """Make a folder, and those that it is in, unless they exist. New names are on the disk once this returns.

    Without `parents`, a folder around it that is missing is an error: somebody has removed it."""
    for folder in (*reversed(path.parents), path) if parents else (path,):
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            sync(folder.parent)


def stamp(file: Path) -> dict[str, Any]:
    """Return the size and the digest of a file."""
    with file.open("rb") as content:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(content, "sha256").hexdigest()}


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Wait until a folder with all its files is on the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def remove_drafts(folder: Path, age: float = 0.0) -> None:
    """Remove what processes that have been killed had begun to write into a folder.

    No process of another machine may be writing there: this one must hold the lock of the run. Where there is no such
    lock, `age` is the number of seconds after which a draft, wherever it was begun, is certainly not being written."""
    for path in folder.glob(".*"):
        name, _, process = path.name[1:].rpartition(".")
        if process.isdigit() and not _is_alive(int(process)) and _seconds_since_change(path) >= age:
            complete = path.with_name(name.removesuffix(_OLD))
            if name.endswith(_OLD) and not complete.exists():
                path.rename(complete)  # its process was killed just before the new folder got the name
            elif path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _code_of(error: BaseException) -> int | None:
    """Return the operating system's code of an error, or None if the error has nothing to do with a file."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    match = _CODE_IN_TEXT.search(str(error))
    return int(match.group(1)) if match else None


def _describe(path: Path, code: int, size: int | None) -> str:
    amount = f" {bytes_in_words(size)}" if size is not None else ""
    place = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    free = f" ({bytes_in_words(shutil.disk_usage(place).free)} free at {place})" if code == errno.ENOSPC else ""
    return f"{path}: cannot write{amount}: {os.strerror(code)}{free}. {_REMEDIES.get(code, '')}".rstrip()


def _seconds_since_change(path: Path) -> float:
    """Return the age of a draft; it is 0 if its process has just finished it."""
    try:
        return max(time.time() - path.lstat().st_mtime, 0.0)
    except FileNotFoundError:
        return 0.0


def _is_alive(process: int) -> bool:
    """Return whether another process has this number. One that had ours is dead, as after a restarted container."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
