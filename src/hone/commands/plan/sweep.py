"""`hone plan -m`: a sweep's cells are composed and checked as the sweep would, and nothing is started or stored."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.commands.plan import PlanOptions
from hone.commands.plan.trial import RunCost, RunSurvey, measure_cost
from hone.config.build import build
from hone.config.check import check_node
from hone.core.errors import UserError
from hone.core.progress_bar import console
from hone.core.streams import write_json
from hone.runs.sweep_file import Cell
from hone.sweeps.check_cells import CheckedCells, check_cells
from hone.sweeps.jobs import Ready, Roster
from hone.sweeps.process import find_slots
from hone.sweeps.sampler import Aim
from hone.sweeps.space import Space
from hone.sweeps.start import SweepRequest
from hone.sweeps.sweep import Budget, Sweep
from hone.sweeps.workers import LocalWorkers

_TO_DO = ("run", "resume", "again")
Row = dict[str, Any]
"""What JSON has of one cell: its words, what the sweep would do with it, and what that costs."""


def sweep(command: SweepRequest) -> int:
    """Print what the sweep would do."""
    sweep, budget = command.sweep, Budget.parse(command.sweep.budget)
    options: PlanOptions = build(check_node(command.options, "plan", ()), PlanOptions, "plan", ())
    checked = sweep.sampler.preview(command.space)
    certain = sweep.sampler.certain_cells(command.space, command.folder)
    cells = list({cell.words: cell for cell in (*checked, *certain)}.values())
    roster = Roster(command.make)
    mistakes = roster.mistakes(cells)
    possible = {cell: roster.ready(cell) for cell in cells if cell not in mistakes}
    sweep.pruner.require(all(ready.job.settings.evaluate_every is not None for ready in possible.values()))

    from hone.commands.plan.sweep_screen import print_sweep_forecast

    elsewhere = command.launcher.elsewhere
    launcher = command.invocation.choices["hydra/launcher"] if elsewhere else None
    planner = SweepPlanner(sweep, command.space, command.folder, options, budget, launcher)
    forecast = planner.describe(possible, mistakes, {cell.words for cell in certain})
    if options.format == "json":
        write_json(forecast, indent=2)
    else:
        print_sweep_forecast(forecast)
    _require_start(forecast["counts"].get("impossible", 0), len(cells), sweep.skip_impossible)
    return 0


def _require_start(impossible: int, cells: int, skip: bool) -> None:
    """Raise UserError where the sweep would start nothing."""
    if impossible == cells:
        raise UserError("No run of this sweep can work.")
    if impossible and not skip:
        raise UserError(
            f"{impossible} of {cells} runs cannot work, so hone train -m would start none; "
            "sweep.skip_impossible=true runs the others."
        )


@final
@dataclass(frozen=True)
class SweepPlanner:
    """Describes a sweep in bytes and seconds; null is what was not asked for or cannot be known.

    Where a sampler still draws cells, the possible ones that are not certain are examples of what it may draw.
    """

    sweep: Sweep
    space: Space
    folder: Path
    options: PlanOptions
    budget: Budget
    launcher: str | None
    """The launcher that runs the cells on other machines, if one does."""

    def describe(
        self, possible: Mapping[Cell, Ready], mistakes: Mapping[Cell, UserError], certain: Collection[tuple[str, ...]]
    ) -> dict[str, Any]:
        """`certain` are the words of the cells that the sweep will run, or has run, whatever is drawn."""
        ready = list(possible.values())
        pool = self._pool(ready)
        checked = self._check(ready, pool)
        to_draw = max(0, self.sweep.sampler.total(self.space) - len(certain))
        rows, examples = _split_rows(self._rows(possible, mistakes, checked), certain, to_draw > 0)
        starts = self.sweep.skip_impossible or not (mistakes or checked.mistakes)
        jobs = {job.identity: job for job in ready} if starts and self.launcher is None else {}
        costs = self._costs(jobs, [row for row in (*rows, *examples) if row["does"] in _TO_DO], pool)
        for row in (*rows, *examples):
            row |= _cost_of_row(row, costs)
        return self._summary(checked.aim, rows, examples, to_draw, len(pool.slots), list(costs.values()))

    def _pool(self, ready: Sequence[Ready]) -> LocalWorkers:
        """Return workers as the sweep would have them, so that costs are measured with their share of the machine."""
        workers = "auto" if self.launcher else self.sweep.workers
        free = find_slots(workers, self.sweep.trials_per_gpu, ready[0].job.settings.devices) if ready else []
        return LocalWorkers(free, None)

    def _check(self, ready: Sequence[Ready], pool: LocalWorkers) -> CheckedCells:
        """Check every run as the sweep would, and that the sweep is the one in its folder, if there is one."""
        if not ready:
            return CheckedCells(None, {}, {})
        survey = RunSurvey(self.folder, self.sweep.rerun)
        checked = check_cells(ready, pool, True, self.launcher is not None, survey.describe)
        if checked.aim is not None:
            self.sweep.sampler.require_same_study(self.space, checked.aim, self.folder)
        return checked

    def _rows(
        self, possible: Mapping[Cell, Ready], mistakes: Mapping[Cell, UserError], checked: CheckedCells
    ) -> list[Row]:
        """Return a row for each cell, in the order of their numbers."""
        rows = [_impossible_row(cell, str(error)) for cell, error in mistakes.items()]
        for place, (cell, ready) in enumerate(possible.items()):
            if place in checked.mistakes:
                rows.append(_impossible_row(cell, checked.mistakes[place]))
            else:
                names = {"number": cell.number, "words": list(cell.words), "identity": ready.identity}
                rows.append({**names, **checked.notes[place]})
        return sorted(rows, key=lambda row: row["number"])

    def _costs(self, jobs: Mapping[str, Ready], rows: Sequence[Row], pool: LocalWorkers) -> dict[str, RunCost]:
        """Return the cost of a run of each kind; none where the sweep would not start, and `jobs` is empty."""
        kinds: dict[str, Ready] = {}
        for row in rows if jobs else ():
            kinds.setdefault(row["kind"], jobs[row["identity"]])
        if len(kinds) > 1 and console.is_terminal:
            console.print(f"examining {len(kinds)} kinds of runs (plan.time=false is quicker)", style="dim")
        copies = min(len(rows), len(pool.slots))
        return {kind: measure_cost(ready, self.options, pool, copies) for kind, ready in kinds.items()}

    def _summary(
        self, aim: Aim | None, rows: list[Row], examples: list[Row], to_draw: int, workers: int, costs: list[RunCost]
    ) -> dict[str, Any]:
        to_do = [row for row in rows if row["does"] in _TO_DO]
        loads = [*map(_workload, to_do), *_drawn_workloads(examples, to_draw)]
        work = simulate_queue(loads, max(1, workers), self.budget)
        disk = sum(row["disk"] for row in to_do) + round(to_draw * _mean([row["disk"] for row in examples]))
        return {
            "name": self.folder.name,
            "folder": str(self.folder),
            "sampler": type(self.sweep.sampler).__name__.lower(),
            "pruner": type(self.sweep.pruner).__name__.lower(),
            "axes": self.space.describe()["axes"],
            "monitor": {"name": aim.metric, "higher_is_better": aim.higher_is_better} if aim else None,
            "counts": dict(Counter(row["does"] for row in rows)),
            "to_draw": to_draw,
            "starts": {"runs": work.runs, "steps": work.steps, "seconds": work.seconds, "budget": self.sweep.budget},
            "workers": {"count": workers, "launcher": self.launcher},
            "memory": self._memory(costs, workers),
            "disk": {"needed": disk, "free": max((row["free"] or 0 for row in (*rows, *examples)), default=0)},
            "advice": sorted({cost.advice for cost in costs if cost.advice}),
            "runs": rows,
            "examples": examples,
        }

    def _memory(self, costs: Sequence[RunCost], workers: int) -> dict[str, Any] | None:
        """Return the most that runs take together: those on one GPU share its memory, those on a CPU the machine's."""
        if not costs:
            return None
        largest, first = max(cost.memory for cost in costs), costs[0]
        together = workers if first.device == "cpu" else self.sweep.trials_per_gpu
        at_once = largest * together
        return {
            "run": largest, "together": together, "at_once": at_once, "room": first.room, "device": first.device,
        }  # fmt: skip


def _impossible_row(cell: Cell, reason: str) -> Row:
    unknown = ("identity", "state", "stale", "kind", "steps", "done", "evaluations", "parameters", "disk", "free")
    names = {"number": cell.number, "words": list(cell.words)}
    return {**names, **dict.fromkeys(unknown), "does": "impossible", "reason": reason}


def _split_rows(rows: Sequence[Row], certain: Collection[tuple[str, ...]], draws: bool) -> tuple[list[Row], list[Row]]:
    """Return the rows of certain or impossible cells, and, where cells are still drawn, examples of those."""
    examples = [row for row in rows if draws and row["does"] in _TO_DO]
    return [row for row in rows if tuple(row["words"]) in certain or row["does"] == "impossible"], examples


def _cost_of_row(row: Row, costs: Mapping[str, RunCost]) -> Row:
    """Return the seconds and bytes of a row, as far as they were measured."""
    cost = costs.get(row["kind"]) if row["does"] in _TO_DO else None
    return {"seconds": cost.remaining_seconds(row) if cost else None, "memory": cost.memory if cost else None}


@final
@dataclass(frozen=True)
class Workload:
    """What a run has left to do; `seconds` may be unknown."""

    steps: int
    seconds: float | None


@final
@dataclass(frozen=True)
class QueueTotals:
    """The runs that the budget allows to start, with the sum of their steps."""

    runs: int
    steps: int
    seconds: float | None
    """Until the last run ends."""


def simulate_queue(loads: Sequence[Workload], workers: int, budget: Budget) -> QueueTotals:
    """Let each worker take the next run in the given order when it is free, until the budget is spent."""
    free_at = [0.0] * workers  # a heap: the worker that is free first comes first
    started = list[tuple[float, int]]()  # when each run ends, and its steps
    for number, load in enumerate(loads):
        begin = free_at[0]
        if budget.spent(number, begin, sum(steps for end, steps in started if end <= begin)):
            break
        end = begin + (load.seconds or float(load.steps))  # where times are unknown, steps stand for them
        heapq.heapreplace(free_at, end)
        started.append((end, load.steps))
    are_timed = all(load.seconds is not None for load in loads[: len(started)])
    return QueueTotals(len(started), sum(steps for _, steps in started), max(free_at) if are_timed else None)


def _workload(row: Row) -> Workload:
    return Workload(row["steps"] - row["done"], row["seconds"])


def _drawn_workloads(examples: Sequence[Row], count: int) -> list[Workload]:
    """Return `count` workloads for cells that are still to be drawn: each is the mean of the examples."""
    seconds = [row["seconds"] for row in examples if row["seconds"] is not None]
    steps = round(_mean([row["steps"] for row in examples]))
    return [Workload(steps, _mean(seconds) if seconds else None)] * count


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
