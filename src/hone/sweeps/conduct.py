"""The beginning of a sweep: its cells are composed, and what cannot work is told before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hone.job import Invocation
from hone.sweeps.budget import Budget
from hone.sweeps.cell import Cell
from hone.sweeps.impossible import require_possible
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
    require_possible(mistakes, len(cells), sweep.skip_impossible)
    possible = {cell: roster.ready(cell) for cell in cells if cell not in mistakes}
    sweep.pruner.require(all(ready.job.settings.evaluate_every is not None for ready in possible.values()))

    from hone.sweeps.perform import perform  # with it, torch

    return perform(sweep, space, roster, possible, folder, asked, budget, launched)
