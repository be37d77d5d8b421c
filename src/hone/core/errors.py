"""The errors that end a command, their exit codes, and the wording of messages: suggestions, lists and tracebacks."""

from __future__ import annotations

import difflib
import errno
import textwrap
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar, final

from hone.core.streams import err, write_line

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


class HoneError(Exception):
    """An error that ends the command with a message instead of a traceback."""

    exit_code: ClassVar[int] = 1
    state: ClassVar[str] = "failed"
    """The state of the run in `run.json`."""


@final
class RunError(HoneError):
    """A run that fails while it trains: the loss is not a number, all its checkpoints are damaged."""


@final
class StorageError(HoneError):
    """A file that the disk does not take: it is full, a limit is reached, or the folder is gone."""


class UserError(HoneError):
    """A mistake in the config or the data, reported before training."""

    exit_code: ClassVar[int] = 2


@final
class RowError(UserError):
    """A row that turns out unreadable when it is encoded: the row's id, the role at fault and the problem."""

    def __init__(self, row: int, role: str, problem: str, split: str = "") -> None:
        super().__init__(row, role, problem, split)  # pickling restores an error from these arguments
        self.row, self.role, self.problem, self.split = row, role, problem, split

    def __str__(self) -> str:
        place = f"{self.split} split, " if self.split else ""
        return f"{place}row {self.row} (counting from 0), {self.role}: {self.problem}."

    def within(self, split: str) -> RowError:
        """Return the error with the name of the split that has the row."""
        return RowError(self.row, self.role, self.problem, split)


@final
class MissingColumns(UserError):
    """A data set without a column for a role of the task. The command adds to the message which tasks the data fits."""

    def __init__(self, problem: str, columns: tuple[str, ...], task: str) -> None:
        super().__init__(problem, columns, task)  # pickling restores an error from these arguments
        self.problem, self.columns, self.task = problem, columns, task

    def __str__(self) -> str:
        return self.problem


@final
class UnsuitableRows(UserError):
    """Training rows that the task cannot learn from as a whole. The data set's name is put before the message."""


@contextmanager
def naming_rows(name: str) -> Iterator[None]:
    """Put the name of a data set before what is wrong with its training rows as a whole."""
    try:
        yield
    except UnsuitableRows as error:
        raise UserError(f"{name}: {error}") from error


@final
class Pruned(HoneError):
    """A run that its sweep stopped early as not promising. This is not a failure."""

    exit_code: ClassVar[int] = 0
    state: ClassVar[str] = "pruned"


class StopRequest(BaseException):
    """A request to stop the process, by a signal. A run that stops in this way can be resumed.

    Like KeyboardInterrupt it is no Exception: no library must take it for a failure of its own and go on."""

    exit_code: ClassVar[int]
    state: ClassVar[str] = "preempted"


@final
class Preempted(StopRequest):
    """A run stopped because the machine is needed elsewhere. The same command continues it."""

    exit_code: ClassVar[int] = 75


@final
class Interrupted(StopRequest):
    """A run stopped with Ctrl-C."""

    exit_code: ClassVar[int] = 130


def damaged(path: object, problem: str) -> UserError:
    """Return the error for a file of a run whose content is not what hone wrote."""
    return UserError(f"{path}: cannot read this file ({problem}). It is damaged: restore it from a copy.")


def did_you_mean(word: object, choices: Iterable[object]) -> str:
    """Return ' Did you mean x?' for the choice closest to `word`, or '' if none is close."""
    choice = closest_choice(word, choices)
    return f" Did you mean {choice}?" if choice else ""


def closest_choice(word: object, choices: Iterable[object], likeness: float = 0.5) -> str | None:
    """Return the choice that a misspelt word stands for, or None if none is close enough."""
    scored = [(_likeness(str(word), str(choice)), str(choice)) for choice in choices]
    score, best = max(scored, key=lambda pair: pair[0], default=(0.0, ""))
    return best if score >= likeness else None


def _likeness(word: str, choice: str) -> float:
    """Return the similarity of two words, from 0 to 1. The beginning of a choice counts nearly as much as all of it."""
    word, choice = word.casefold(), choice.casefold()
    whole = difflib.SequenceMatcher(None, word, choice).ratio()
    start = difflib.SequenceMatcher(None, word, choice[: len(word)]).ratio() if len(word) > 2 else 0.0
    return max(whole, 0.9 * start)


def join_names(choices: Iterable[object], limit: int = 30) -> str:
    """Return the choices as one line, cut off after `limit`."""
    words = [str(choice) for choice in choices]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return (", ".join(words[:limit]) or "none") + more


def one_line(error: BaseException) -> str:
    """Return another library's error as one line of at most 300 characters."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" …")


def print_traceback(error: BaseException) -> None:
    """Print a traceback without the secrets that its texts may contain."""
    write_line("".join(traceback.format_exception(error)).rstrip("\n"), err)


def report_error(error: BaseException, debug: bool) -> int:
    """Print an error and return its exit code.

    An error that is not one of those here, nor one of the disk, is a bug and gets its traceback."""
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK and not debug:
        write_line(f"hone: {error.filename or 'a file'}: {error.strerror}.", err)
        return 1
    if isinstance(error, MemoryError) and not debug:
        write_line("hone: not enough memory. See ulimit -v and the limits of the job.", err)
        return 1
    if not isinstance(error, HoneError | StopRequest):
        print_traceback(error)
        return 1
    if debug:
        print_traceback(error)
    write_line(f"hone: {error}", err)
    return error.exit_code
