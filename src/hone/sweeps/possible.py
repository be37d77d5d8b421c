"""Cells that cannot work are reported before any run starts, with the keys that make the difference."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hone.core.errors import UserError
from hone.runs.sweep_file import Cell

_MOST_SHOWN = 3


def require_possible(mistakes: Mapping[Cell, UserError], cells: Sequence[Cell], skip: bool) -> None:
    """Raise UserError, naming all cells that cannot work, unless they may be skipped and others remain."""
    total = len(cells)
    if not mistakes or (skip and len(mistakes) < total):
        return
    reasons: dict[str, list[Cell]] = {}
    for cell, error in mistakes.items():
        reasons.setdefault(str(error), []).append(cell)
    lines = [f"  {reason}\n    {_where(failing, cells)}" for reason, failing in reasons.items()]
    others = "\nsweep.skip_impossible=true runs the others." if len(mistakes) < total else ""
    count = f"{len(mistakes)} of {total} runs cannot work, and none was started:"
    raise UserError("\n".join([count, *lines]) + others)


def require_distinct(identities: Mapping[Cell, str]) -> None:
    """Raise UserError if two cells are one run, because the keys in which they differ change no result."""
    first: dict[str, Cell] = {}
    for cell, identity in identities.items():
        other = first.setdefault(identity, cell)
        if other is not cell:
            ours = " ".join(word for word in cell.words if word not in other.words)
            theirs = " ".join(word for word in other.words if word not in cell.words)
            raise UserError(
                f"{theirs} and {ours} are the same run, because this difference changes no result. "
                "Leave one of them out, or give each its own command."
            )


def _where(failing: Sequence[Cell], cells: Sequence[Cell]) -> str:
    words = list(dict.fromkeys(" ".join(deciding_words(cell, failing, cells)) for cell in failing))
    if len(failing) == len(cells):
        return f"in all {len(cells)} runs"
    more = f" and {len(words) - _MOST_SHOWN} more" if len(words) > _MOST_SHOWN else ""
    return f"in {len(failing)} of {len(cells)} runs: {'; '.join(words[:_MOST_SHOWN])}{more}"


def deciding_words(cell: Cell, failing: Collection[Cell], cells: Collection[Cell]) -> tuple[str, ...]:
    """Return the words of a failing cell, without the keys that make no difference.

    A key makes no difference if every cell that differs from a failing one in this key alone fails too.
    """
    failing_words = {failure.words for failure in failing}
    kept = cell.words
    for word in cell.words:
        key = _key(word)
        rest = {_without(words, key) for words in failing_words}
        alike = {other.words for other in cells if _without(other.words, key) in rest}
        if alike <= failing_words:
            kept = _without(kept, key)
    return kept


def _key(word: str) -> str:
    return word.partition("=")[0]


def _without(words: Sequence[str], key: str) -> tuple[str, ...]:
    return tuple(word for word in words if _key(word) != key)
