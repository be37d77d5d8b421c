"""`hone plan -m`: a sweep's cells are composed and checked as the sweep would, and nothing is started or stored."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.commands.plan import Options
from hone.commands.plan.trial import Cost, Survey, tried
from hone.config.build import build
from hone.config.check import check_node
from hone.core.errors import UserError
from hone.core.progress_bar import console
from hone.runs.sweep_file import Cell
from hone.sweeps.check_cells import CheckedCells, check_cells
from hone.sweeps.jobs import Ready, Roster
from hone.sweeps.process import find_slots
from hone.sweeps.sampler import Aim
from hone.sweeps.space import Space
from hone.sweeps.start import SweepRequest
from hone.sweeps.sweep import Budget, Sweep
from hone.sweeps.workers import LocalWorkers


@final
@dataclass(frozen=True)
class Where:
    """Who runs the cells, if another launcher does, and whether on other machines."""

    launcher: str | None
    elsewhere: bool


@final
@dataclass(frozen=True)
class Load:
    """What a run has left to do; `seconds` may be unknown."""

    steps: int
    seconds: float | None


@final
@dataclass(frozen=True)
class Queue:
    """What comes of it all."""

    runs: int
    steps: int
    seconds: float | None
    """Until the last one ends."""


def queued(loads: Sequence[Load], workers: int, budget: Budget) -> Queue:
    """In the order in which they are given."""
    places, ends = [0.0] * workers, list[tuple[float, int]]()
    for number, load in enumerate(loads):
        begins = places[0]
        if budget.spent(number, begins, sum(steps for end, steps in ends if end <= begins)):
            break
        end = begins + (load.seconds or float(load.steps))  # where times are unknown, steps stand for them
        heapq.heapreplace(places, end)
        ends.append((end, load.steps))
    known = all(load.seconds is not None for load in loads[: len(ends)])
    return Queue(len(ends), sum(steps for _, steps in ends), max(places) if known else None)


def sweep(command: SweepRequest) -> int:
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
    certain = sweep.sampler.certain_cells(space, folder)
    cells = list({cell.words: cell for cell in (*checked, *certain)}.values())
    mistakes = roster.mistakes(cells)
    possible = {cell: roster.ready(cell) for cell in cells if cell not in mistakes}
    sweep.pruner.require(all(ready.job.settings.evaluate_every is not None for ready in possible.values()))

    from hone.commands.plan.sweep_screen import screen

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


_TO_DO = ("run", "resume", "again")
Row = dict[str, Any]


@final
@dataclass(frozen=True)
class Outlook:
    """Bytes, seconds, and null for what was not asked for or cannot be known; `examples` are cells as may be drawn."""

    sweep: Sweep
    space: Space
    folder: Path
    options: Options
    where: Where
    budget: Budget

    def describe(
        self, possible: Mapping[Cell, Ready], mistakes: Mapping[Cell, UserError], certain: Collection[tuple[str, ...]]
    ) -> dict[str, Any]:
        """`certain` are the words of the cells that are no mere examples of what may be drawn."""
        ready = list(possible.values())
        pool = self._pool(ready)
        checked = self._checked(ready, pool)
        left = max(0, self.sweep.sampler.total(self.space) - len(certain))
        rows, examples = _split(self._rows(possible, mistakes, checked), certain, left > 0)
        starts = self.sweep.skip_impossible or not (mistakes or checked.mistakes)
        jobs = {one.identity: one for one in ready} if starts and not self.where.elsewhere else {}
        costs = self._costs(jobs, [row for row in (*rows, *examples) if row["does"] in _TO_DO], pool)
        for row in (*rows, *examples):
            row |= _cost(row, costs)
        return self._summary(checked.aim, rows, examples, left, len(pool.slots), list(costs.values()))

    def _pool(self, ready: Sequence[Ready]) -> LocalWorkers:
        """The places where runs would work at the same time."""
        workers = "auto" if self.where.launcher else self.sweep.workers
        free = find_slots(workers, self.sweep.trials_per_gpu, ready[0].job.settings.devices) if ready else []
        return LocalWorkers(free, None)

    def _checked(self, ready: Sequence[Ready], pool: LocalWorkers) -> CheckedCells:
        """Checks every run as the sweep would, and that the sweep is the one its folder holds."""
        if not ready:
            return CheckedCells(None, {}, {})
        survey = Survey(self.folder, self.sweep.rerun)
        checked = check_cells(ready, pool, True, self.where.elsewhere, survey.note)
        if checked.aim is not None:
            self.sweep.sampler.require_same_study(self.space, checked.aim, self.folder)
        return checked

    def _rows(
        self, possible: Mapping[Cell, Ready], mistakes: Mapping[Cell, UserError], checked: CheckedCells
    ) -> list[Row]:
        """Of all cells, in the order of their numbers."""
        rows = [self._row(cell, one.identity, checked, place) for place, (cell, one) in enumerate(possible.items())]
        rows += [_impossible(cell, str(error)) for cell, error in mistakes.items()]
        return sorted(rows, key=lambda row: row["number"])

    def _row(self, cell: Cell, identity: str, checked: CheckedCells, place: int) -> Row:
        if place in checked.mistakes:
            return _impossible(cell, checked.mistakes[place])
        return {"number": cell.number, "words": list(cell.words), "identity": identity, **checked.notes[place]}

    def _costs(self, jobs: Mapping[str, Ready], rows: Sequence[Row], pool: LocalWorkers) -> dict[str, Cost]:
        """By kind; none where the sweep would not start."""
        kinds: dict[str, Ready] = {}
        for row in rows if jobs else ():
            kinds.setdefault(row["kind"], jobs[row["identity"]])
        if len(kinds) > 1 and console.is_terminal:
            console.print(f"[dim]looking closer at {len(kinds)} kinds of runs (plan.time=false is quicker)[/dim]")
        return {name: tried(one, self.options, pool, min(len(rows), len(pool.slots))) for name, one in kinds.items()}

    def _summary(
        self, aim: Aim | None, rows: list[Row], examples: list[Row], left: int, workers: int, costs: list[Cost]
    ) -> dict[str, Any]:
        to_do = [row for row in rows if row["does"] in _TO_DO]
        work = queued([*map(_load, to_do), *_drawn(examples, left)], max(1, workers), self.budget)
        disk = sum(row["disk"] for row in to_do) + round(left * _mean([row["disk"] for row in examples]))
        return {
            "name": self.folder.name,
            "folder": str(self.folder),
            "sampler": type(self.sweep.sampler).__name__.lower(),
            "pruner": type(self.sweep.pruner).__name__.lower(),
            "axes": self.space.describe()["axes"],
            "monitor": {"name": aim.metric, "higher_is_better": aim.higher_is_better} if aim else None,
            "counts": dict(Counter(row["does"] for row in rows)),
            "to_draw": left,
            "starts": {"runs": work.runs, "steps": work.steps, "seconds": work.seconds, "budget": self.sweep.budget},
            "workers": {"count": workers, "launcher": self.where.launcher},
            "memory": self._memory(costs, workers),
            "disk": {"needed": disk, "free": max((row["free"] or 0 for row in (*rows, *examples)), default=0)},
            "advice": sorted({cost.advice for cost in costs if cost.advice}),
            "runs": rows,
            "examples": examples,
        }

    def _memory(self, costs: Sequence[Cost], workers: int) -> dict[str, Any] | None:
        """At most; the runs of one GPU share its memory, and those of a machine without any the machine's."""
        if not costs:
            return None
        run, one = max(cost.memory for cost in costs), costs[0]
        together = workers if one.device == "cpu" else self.sweep.trials_per_gpu
        return {"run": run, "together": together, "at_once": run * together, "room": one.room, "device": one.device}


def _impossible(cell: Cell, reason: str) -> Row:
    nothing = dict.fromkeys(
        ("identity", "state", "stale", "kind", "steps", "done", "evaluations", "parameters", "disk", "free")
    )
    return {"number": cell.number, "words": list(cell.words), **nothing, "does": "impossible", "reason": reason}


def _split(rows: Sequence[Row], certain: Collection[tuple[str, ...]], draws: bool) -> tuple[list[Row], list[Row]]:
    """The rows of cells that are certain or impossible, and, where cells are still drawn, examples of those."""
    examples = [row for row in rows if draws and row["does"] in _TO_DO]
    return [row for row in rows if tuple(row["words"]) in certain or row["does"] == "impossible"], examples


def _cost(row: Row, costs: Mapping[str, Cost]) -> Row:
    """The seconds and bytes of a row, as far as they were found out."""
    cost = costs.get(row["kind"]) if row["does"] in _TO_DO else None
    return {"seconds": cost.seconds(row) if cost else None, "memory": cost.memory if cost else None}


def _load(row: Row) -> Load:
    return Load(row["steps"] - row["done"], row["seconds"])


def _drawn(examples: Sequence[Row], left: int) -> list[Load]:
    """Cells that are not known yet, as if each were the mean of what there may be."""
    seconds = [row["seconds"] for row in examples if row["seconds"] is not None]
    return [Load(round(_mean([row["steps"] for row in examples])), _mean(seconds) if seconds else None)] * left


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
