"""What W&B costs a run, offline: the steps of the default run with it and without, and the time of one row."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import Figure
from turns import Entry, Scene, Stage, play

if TYPE_CHECKING:
    from gate import Gate

STEPS, TURNS = 60, 15
BLOCKS, WARM = 600, 20
"""Stretches of ten steps in one run; those at its beginning do not count."""
WANDB = ("tracker=wandb", "tracker.mode=offline")
NONE = Entry("no tracker", "tracking.default", ("tracker=none",))
TRACKED = Entry("W&B, every 10 steps", "tracking.default", WANDB)
COST, CALL = 1.02, 0.5


def measure(stage: Stage) -> list[Figure]:
    """Two runs differ by more than this costs, so that one has W&B for every other ten steps alone."""
    return [*_beside(stage), *_alternating(stage)]


def _beside(stage: Stage) -> list[Figure]:
    """The same batches in the same turns; a third contender logs every step, and its calls are timed."""
    noted = stage.root / "calls.txt"
    timed = Entry("W&B, every step", "tracking.timed", (*WANDB, "log_every=1"), {"noted": str(noted)})
    scene = Scene("the default run", "tweets", 16, STEPS, (NONE, TRACKED, timed), ())
    results = play(scene, replace(stage, turns=max(stage.turns, TURNS)))
    calls = sorted(1000 * float(line) for line in noted.read_text(encoding="utf-8").split())
    slow = calls[len(calls) * 95 // 100]
    print(f"{'a row, milliseconds':24} {statistics.median(calls):9.3f}   95 % below {slow:.3f}", flush=True)
    steps = "the default run, time of a step, lower is better: W&B offline every 10 steps / no tracker, two runs"
    rows = "a row for W&B offline, milliseconds, lower is better"
    return [
        Figure.compare(steps, results[NONE.name].speeds, results[TRACKED.name].speeds, lower=True),
        Figure(rows, statistics.median(calls), (calls[len(calls) * 5 // 100], slow), CALL, lower=True),
    ]


def _alternating(stage: Stage) -> list[Figure]:
    """Its spread is that of the middle half of the pairs."""
    noted = stage.root / "blocks.txt"
    entry = Entry("W&B, every other row", "tracking.alternating", WANDB, {"noted": str(noted)}, steps=10 * BLOCKS)
    play(Scene("one run", "tweets", 16, 10 * BLOCKS, (entry,), ()), replace(stage, turns=1))
    moments = [float(line) for line in noted.read_text(encoding="utf-8").split()][WARM:]
    blocks = [after - before for before, after in pairwise(moments)]
    muted, tracked = blocks[0 : len(blocks) // 2 * 2 : 2], blocks[1::2]  # it begins with a row of an even number
    ratios = sorted(one / other for one, other in zip(tracked, muted, strict=True))
    middle = (ratios[len(ratios) // 4], ratios[len(ratios) * 3 // 4])
    name = "the default run, time of ten steps, lower is better: W&B offline has their row / has it not, one run"
    return [Figure(name, statistics.median(tracked) / statistics.median(muted), middle, COST, lower=True)]


def default(told: dict[str, Any], gate: Gate) -> None:
    """`hone train`, but for its end."""
    from contenders import train

    train(gate, "epochs=999", "evaluate_every=null", f"output_root={told['scratch']}", *told["words"])


def timed(told: dict[str, Any], gate: Gate) -> None:
    """Notes how long each row takes, after it has been taken."""
    from hone.tracking.wandb import WandbTracker

    log = WandbTracker.log
    with Path(told["options"]["noted"]).open("w", encoding="utf-8", buffering=1) as noted:

        def noting(self: WandbTracker, number: int, row: Any) -> None:
            begun = time.perf_counter()
            log(self, number, row)
            noted.write(f"{time.perf_counter() - begun}\n")

        WandbTracker.log = noting  # type: ignore[method-assign]
        default(told, gate)


def alternating(told: dict[str, Any], gate: Gate) -> None:
    """W&B hears of every other row; notes when each comes."""
    from hone.tracking.wandb import WandbTracker

    log = WandbTracker.log
    with Path(told["options"]["noted"]).open("w", encoding="utf-8", buffering=1) as noted:

        def every_other(self: WandbTracker, number: int, row: Any) -> None:
            noted.write(f"{time.perf_counter()}\n")
            if number % 2:
                log(self, number, row)

        WandbTracker.log = every_other  # type: ignore[method-assign]
        default(told, gate)
