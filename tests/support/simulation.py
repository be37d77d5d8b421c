"""Sweeps whose runs are made of numbers: the search and the referees are real, and a training takes no time."""

import heapq
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from hone.core.value_types import Rerun
from hone.runs.sweep_file import Cell, Outcome
from hone.sweeps.sampler import Aim, Sampler, Search
from hone.sweeps.space import Axis, Choice, Interval, Space
from hone.training.pruning import Never, Pruner

AIM = Aim("validation/f1_macro", higher_is_better=True)
EVALUATIONS = 27

Learning = Callable[[Mapping[str, str], int], float]
"""What a run with these values scores at an evaluation."""


def grid_of(*sizes: int) -> Space:
    return Space(tuple(Choice(f"axis{place}", tuple(map(str, range(size)))) for place, size in enumerate(sizes)))


def plane(*more: Axis) -> Space:
    return Space((Interval("lr", 1e-5, 1e-1, log=True), Interval("decay", 0.0, 1.0), *more))


def hill(values: Mapping[str, str], step: int = EVALUATIONS) -> float:
    """At most 1, at lr=1e-3 decay=0.3."""
    off = abs(math.log10(float(values["lr"])) + 3) / 2, abs(float(values["decay"]) - 0.3)
    return 1 - sum(part**2 for part in off)


@dataclass
class Drive:
    """A driver with workers: each evaluation takes about as long as any other."""

    sampler: Sampler
    space: Space
    learn: Learning
    folder: Path
    pruner: Pruner = field(default_factory=Never)
    workers: int = 1
    aim: Aim = AIM
    seed: int = 0
    rerun: Rerun = "failed"
    breaks: Callable[[Cell, int], bool] = lambda cell, step: False
    done: dict[str, int] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    asked: list[Cell] = field(default_factory=list)
    steps: int = 0

    def search(self) -> Search:
        return self.sampler.search(self.space, self.aim, self.pruner, self.folder, self.rerun)

    def run(self, search: Search | None = None) -> "Drive":
        search, clock, order = search or self.search(), random.Random(self.seed), count()
        waiting: list[tuple[float, int, Cell]] = []
        now = 0.0
        while waiting or not search.over:
            while len(waiting) < self.workers and (cell := search.ask()) is not None:
                self.asked.append(cell)
                heapq.heappush(waiting, (now + clock.uniform(0.8, 1.2), next(order), cell))
            assert waiting, "nothing is at work, nothing is to come, and the search is not over"
            now, _, cell = heapq.heappop(waiting)
            outcome = self.evaluate(cell)
            if outcome is None:
                heapq.heappush(waiting, (now + clock.uniform(0.8, 1.2), next(order), cell))
            else:
                self.outcomes[" ".join(cell.words)] = outcome
                search.tell(cell, outcome)
        return self

    def evaluate(self, cell: Cell) -> Outcome | None:
        """The run goes on to its next evaluation; an outcome when it ends there."""
        name = " ".join(cell.words)
        step = self.done[name] = self.done.get(name, 0) + 1
        self.steps += 1
        if self.breaks(cell, step):
            return Outcome("failed", "it broke", self.best.get(name), 1.0, EVALUATIONS, name)
        value = self.learn(cell.values, step)
        self.best[name] = max(self.best.get(name, -math.inf), value)
        referee = self.pruner.referee(self.folder, name, self.aim.higher_is_better, EVALUATIONS, EVALUATIONS - 1)
        stopped = referee.stops(step, value)
        if not stopped and step < EVALUATIONS:
            return None
        return Outcome("pruned" if stopped else "finished", None, self.best[name], 1.0, EVALUATIONS, name)

    @property
    def finished(self) -> list[str]:
        return [name for name, outcome in self.outcomes.items() if outcome.state == "finished"]

    @property
    def winner(self) -> str:
        return max(self.finished, key=lambda name: self.outcomes[name].value or -math.inf)


def learning(seed: int, noise: float = 0.01) -> Learning:
    """Curves that rise to a level of their own at a pace of their own, with noise."""
    levels: dict[str, tuple[float, float]] = {}

    def learn(values: Mapping[str, str], step: int) -> float:
        name = " ".join(values.values())
        chance = random.Random(f"{seed} {name}")
        level, pace = levels.setdefault(name, (chance.uniform(0.5, 0.95), chance.uniform(2.0, 3.5)))
        jitter = random.Random(f"{seed} {name} {step}").gauss(0, noise)
        return level * (1 - math.exp(-step / pace)) + jitter

    return learn
