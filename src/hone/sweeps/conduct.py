"""The beginning of a sweep: its cells are composed, and what cannot work is told before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hone.errors import UserError
from hone.invocation import Invocation
from hone.lean import spare
from hone.sweeps.budget import Budget
from hone.sweeps.cell import Cell
from hone.sweeps.ready import Ready, Roster
from hone.sweeps.space import Space
from hone.sweeps.sweep import Sweep
from hone.sweeps.workers import Workers


def conduct(
    sweep: Sweep, space: Space, make: Callable[[Cell], Ready], folder: Path, asked: Invocation, launched: Workers | None
) -> int:
    """Checks, runs, tells; returns the command's exit code."""
    budget, roster = Budget.parse(sweep.budget), Roster(make)
    cells = sweep.sampler.preview(space)
    mistakes = roster.mistakes(cells)
    jobs = [roster.ready(cell) for cell in cells if cell not in mistakes]
    _require_possible(mistakes, len(cells), sweep.skip_impossible and bool(jobs))
    sweep.pruner.require(all(ready.job.settings.evaluate_every is not None for ready in jobs))
    spare(compiler=not any(ready.job.settings.compile for ready in jobs))

    from hone.sweeps.perform import perform  # with it, torch

    return perform(sweep, space, roster, jobs, folder, asked, budget, launched)


def _require_possible(mistakes: Mapping[Cell, UserError], total: int, skip: bool) -> None:
    """Names every cell that cannot work, unless the others are to be run without them."""
    if not mistakes or skip:
        return
    reasons: dict[str, list[str]] = {}
    for cell, error in mistakes.items():
        reasons.setdefault(str(error), []).append(" ".join(cell.words))
    told = [f"  {reason}\n    in {len(words)} of {total} runs: {words[0]}" for reason, words in reasons.items()]
    others = "\nsweep.skip_impossible=true runs the others." if len(mistakes) < total else ""
    count = f"{len(mistakes)} of {total} runs cannot work, and none was started:"
    raise UserError("\n".join([count, *told]) + others)
