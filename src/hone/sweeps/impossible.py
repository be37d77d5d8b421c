"""Cells that cannot work, told before any is started."""

from __future__ import annotations

from collections.abc import Mapping

from hone.errors import UserError
from hone.sweeps.cell import Cell


def require_possible(mistakes: Mapping[Cell, UserError], total: int, skip: bool) -> None:
    """Names every cell that cannot work, unless the others are to be run without them."""
    if not mistakes or (skip and len(mistakes) < total):
        return
    reasons: dict[str, list[str]] = {}
    for cell, error in mistakes.items():
        reasons.setdefault(str(error), []).append(" ".join(cell.words))
    told = [f"  {reason}\n    in {len(words)} of {total} runs: {words[0]}" for reason, words in reasons.items()]
    others = "\nsweep.skip_impossible=true runs the others." if len(mistakes) < total else ""
    count = f"{len(mistakes)} of {total} runs cannot work, and none was started:"
    raise UserError("\n".join([count, *told]) + others)
