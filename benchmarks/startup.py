"""Start-up: from the command to the first optimiser step, with warm caches, against a minimal Trainer script."""

from __future__ import annotations

import statistics

from report import Figure
from speed import HONE, TRAINER
from turns import Contender, Entry, Setup

BAR = 0.75


def measure(setup: Setup) -> list[Figure]:
    """Start both in turns; the first start of each warms the caches and does not count."""
    seconds: dict[str, list[float]] = {HONE.name: [], TRAINER.name: []}
    for turn in range(setup.turns + 1):
        for entry in (HONE, TRAINER):
            elapsed = _first_step(entry, setup)
            seconds[entry.name] += [elapsed] if turn else []
    print("\nstart-up, seconds to the first step")
    for name, each in seconds.items():
        print(f"{name:24} {statistics.median(each):9.1f}   {min(each):.1f} to {max(each):.1f}", flush=True)
    name = "start-up to the first step, seconds, lower is better: hone / Trainer"
    return [Figure.compare(name, seconds[HONE.name], seconds[TRAINER.name], BAR, lower=True)]


def _first_step(entry: Entry, setup: Setup) -> float:
    contender = Contender(entry, setup.settings("tweets", 16))
    contender.end()
    return contender.startup
