"""Start-up: from the command to the first optimiser step, with warm caches, hone beside a minimal Trainer script."""

from __future__ import annotations

import statistics

from report import Figure
from speed import HONE, TRAINER
from turns import Contender, Entry, Stage

BAR = 0.75


def measure(stage: Stage) -> list[Figure]:
    """In turns; the first of each warms the caches and does not count."""
    seconds: dict[str, list[float]] = {HONE.name: [], TRAINER.name: []}
    for turn in range(stage.turns + 1):
        for entry in (HONE, TRAINER):
            spent = _first_step(entry, stage)
            seconds[entry.name] += [spent] if turn else []
    print("\nstart-up, seconds to the first step")
    for name, each in seconds.items():
        print(f"{name:24} {statistics.median(each):9.1f}   {min(each):.1f} to {max(each):.1f}", flush=True)
    name = "start-up to the first step, seconds, lower is better: hone / Trainer"
    return [Figure.compare(name, seconds[HONE.name], seconds[TRAINER.name], BAR, lower=True)]


def _first_step(entry: Entry, stage: Stage) -> float:
    contender = Contender(entry, stage.told("tweets", 16))
    contender.end()
    return contender.startup
