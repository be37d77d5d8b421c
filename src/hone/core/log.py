"""Logging: everything goes to the run's `log.txt`, warnings and errors also to the terminal, and secrets nowhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import BinaryIO, final

from hone.core.broken_torchvision import hide_broken_torchvision
from hone.core.files import append_line, storing
from hone.core.foreign_text import for_screen
from hone.core.progress_bar import console


@final
class _Formatter(logging.Formatter):
    """Removes secrets and escape sequences from what it formats, tracebacks included. Lines after the first are
    indented, so that no text can pretend to be a line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        return for_screen(super().format(record)).replace("\n", "\n    ")


@final
class _LogFile(logging.Handler):
    """Appends each record at once. A disk that takes no more of them is reported once, and does not end the run."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.file: BinaryIO | None = path.open("ab", buffering=0)

    def emit(self, record: logging.LogRecord) -> None:
        if self.file is None:
            return
        try:
            append_line(self.file.fileno(), f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except OSError as error:
            self.close()
            console.print(f"warning: {self.path}: the log ends here: {error.strerror}")

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None
        super().close()


@final
class _Terminal(logging.Handler):
    """Prints above a running progress bar, not into it."""

    def emit(self, record: logging.LogRecord) -> None:
        console.print(f"{record.levelname.lower()}: {self.format(record)}")


@final
class Log:
    """Keeps the records in memory until the run has a folder."""

    def __init__(self) -> None:
        self.memory = MemoryHandler(10_000, flushLevel=100, flushOnClose=False)

    def write_to(self, path: Path) -> None:
        """Write all records to this file: those so far, and from now on each at once."""
        with storing(path):
            file = _LogFile(path)
        file.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.memory.setTarget(file)
        self.memory.capacity = 1
        self.memory.flush()


@contextmanager
def capture_log() -> Iterator[Log]:
    """While this is open, hone's loggers and Python's warnings go to the log and the terminal."""
    log = Log()
    terminal = _Terminal(logging.WARNING)
    terminal.setFormatter(_Formatter("%(message)s"))
    ours, warned = logging.getLogger("hone"), logging.getLogger("py.warnings")
    level, propagate = ours.level, ours.propagate
    ours.setLevel(logging.INFO)
    ours.handlers[:] = [log.memory, terminal]
    warned.addHandler(log.memory)
    ours.propagate = warned.propagate = False
    logging.captureWarnings(True)
    try:
        _warn_of_torchvision()
        yield log
    finally:
        logging.captureWarnings(False)
        ours.setLevel(level)
        ours.propagate = propagate
        ours.handlers.clear()
        warned.removeHandler(log.memory)
        _close(log)


def _warn_of_torchvision() -> None:
    problem = hide_broken_torchvision()
    if problem:
        logging.getLogger(__name__).warning(problem)


def _close(log: Log) -> None:
    log.memory.flush()
    if log.memory.target is not None:
        log.memory.target.close()
    log.memory.close()


def quieten_libraries() -> None:
    """Turn off the progress bars and advice of other libraries. Their errors stay."""
    import datasets
    import transformers

    for logger in ("lightning.fabric", "lightning.pytorch", "torch.multiprocessing"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    logging.getLogger("datasets.packaged_modules").setLevel(logging.CRITICAL)  # they raise what they log
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
