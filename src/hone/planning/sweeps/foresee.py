"""`hone plan -m`: a sweep's cells are composed and checked as the sweep would, and nothing is started or stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from hone.config.build import build
from hone.config.check import check_node
from hone.core.errors import UserError
from hone.planning.options import Options
from hone.planning.sweeps.queue import Where
from hone.runs.sweep_file import Cell
from hone.sweeps.jobs import Ready, Roster
from hone.sweeps.space import Space
from hone.sweeps.start import Commanded
from hone.sweeps.sweep import Budget, Sweep


def sweep(command: Commanded) -> int:
    """Print what the sweep would do."""
    options: Options = build(check_node(command.options, "plan", ()), Options, "plan", ())
    elsewhere = command.launcher.elsewhere
    where = Where(command.invocation.choices["hydra/launcher"] if elsewhere else None, elsewhere)
    foresee(command.sweep, command.space, command.make, command.folder, options, where)
    return 0


def foresee(
    sweep: Sweep, space: Space, make: Callable[[Cell], Ready], folder: Path, options: Options, where: Where
) -> None:
    """Prints what the sweep would do."""
    budget, roster = Budget.parse(sweep.budget), Roster(make)
    checked = sweep.sampler.preview(space)
    certain = sweep.sampler.known(space, folder)
    cells = list({cell.words: cell for cell in (*checked, *certain)}.values())
    mistakes = roster.mistakes(cells)
    possible = {cell: roster.ready(cell) for cell in cells if cell not in mistakes}
    sweep.pruner.require(all(ready.job.settings.evaluate_every is not None for ready in possible.values()))

    from hone.planning.sweeps.outlook import Outlook  # with it, torch
    from hone.planning.sweeps.screen import screen

    outlook = Outlook(sweep, space, folder, options, where, budget)
    outcome = outlook.describe(possible, mistakes, {cell.words for cell in certain})
    if options.format == "json":
        print(json.dumps(outcome, indent=2, ensure_ascii=False))
    else:
        screen(outcome)
    _require_start(outcome["counts"].get("impossible", 0), len(cells), sweep.skip_impossible)


def _require_start(impossible: int, cells: int, skip: bool) -> None:
    """Raises UserError where the sweep would start nothing."""
    if impossible == cells:
        raise UserError("No run of this sweep can work.")
    if impossible and not skip:
        raise UserError(
            f"{impossible} of {cells} runs cannot work, so hone train -m would start none; "
            "sweep.skip_impossible=true runs the others."
        )
