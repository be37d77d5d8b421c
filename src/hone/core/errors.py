"""What can go wrong, the exit code each way ends with, and how a mistake is put to the person who made it."""

from __future__ import annotations

import difflib
import sys
import textwrap
import traceback
from collections.abc import Iterable
from typing import ClassVar, final

from hone.core.redact import redact_text


class HoneError(Exception):
    """Ends the command with a message instead of a traceback."""

    exit_code: ClassVar[int] = 1
    state: ClassVar[str] = "failed"


@final
class RunError(HoneError):
    """The run itself went wrong: a loss that is not a number, a disk that filled up."""


class UserError(HoneError):
    """A mistake in the config or the data, found before any training."""

    exit_code: ClassVar[int] = 2


@final
class RowError(UserError):
    """A row that the model cannot read, which shows when it is encoded: its id, the role at fault and what is wrong."""

    def __init__(self, row: int, role: str, problem: str) -> None:
        super().__init__(f"row {row} (counting from 0), {role}: {problem}.")
        self.role, self.problem = role, problem


@final
class MissingColumns(UserError):
    """A data set has no column for one or more roles of a task; the command layer adds which tasks it does fit."""

    def __init__(self, problem: str, columns: tuple[str, ...], task: str) -> None:
        super().__init__(problem, columns, task)  # all of them, so that the error survives pickling
        self.problem, self.columns, self.task = problem, columns, task

    def __str__(self) -> str:
        return self.problem


@final
class Preempted(HoneError):
    """Somebody wants the machine back; the same command goes on where this one stopped."""

    exit_code: ClassVar[int] = 75
    state: ClassVar[str] = "preempted"


@final
class Pruned(HoneError):
    """Not worth going on with for now, which is no mistake of anybody's."""

    exit_code: ClassVar[int] = 0
    state: ClassVar[str] = "pruned"


@final
class Interrupted(HoneError):
    """Ctrl-C: stopped on purpose, resumable like a pre-empted run."""

    exit_code: ClassVar[int] = 130
    state: ClassVar[str] = "preempted"


def did_you_mean(word: object, choices: Iterable[object]) -> str:
    """' Did you mean x?' for the choice closest to `word`, or nothing when none is close."""
    found = closest_choice(word, choices)
    return f" Did you mean {found}?" if found else ""


def closest_choice(word: object, choices: Iterable[object], likeness: float = 0.5) -> str | None:
    """The choice that a misspelt word stands for, if one is close."""
    scored = [(_likeness(str(word), str(choice)), str(choice)) for choice in choices]
    score, best = max(scored, key=lambda pair: pair[0], default=(0.0, ""))
    return best if score >= likeness else None


def _likeness(word: str, choice: str) -> float:
    """From 0 to 1; the beginning of a choice is nearly as good as all of it."""
    word, choice = word.casefold(), choice.casefold()
    whole = difflib.SequenceMatcher(None, word, choice).ratio()
    start = difflib.SequenceMatcher(None, word, choice[: len(word)]).ratio() if len(word) > 2 else 0.0
    return max(whole, 0.9 * start)


def join_names(choices: Iterable[object], limit: int = 30) -> str:
    """The choices in one line, cut when there are very many."""
    words = [str(choice) for choice in choices]
    return (", ".join(words[:limit]) or "none") + (f" and {len(words) - limit} more" if len(words) > limit else "")


def one_line(error: BaseException) -> str:
    """Another library's error in one line of reasonable length."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" …")


def print_traceback(error: BaseException) -> None:
    """An error's text may hold what nobody is to read."""
    print(redact_text("".join(traceback.format_exception(error))), end="", file=sys.stderr)


def report_error(error: BaseException, debug: bool) -> int:
    """Says what went wrong and returns the exit code; our own errors need no traceback, a surprise does."""
    if not isinstance(error, HoneError):
        print_traceback(error)
        return 1
    if debug:
        print_traceback(error)
    print(f"hone: {error}", file=sys.stderr)
    return error.exit_code
