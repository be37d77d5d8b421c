"""What W&B costs a run, offline: the steps of the default run with it and without, and the time of one row."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import Figure
from turns import Entry, Scene, Stage, play

if TYPE_CHECKING:
    from gate import Gate

STEPS, TURNS = 60, 31
"""The cost is less than what a single turn varies by."""
WANDB = ("tracker=wandb", "tracker.mode=offline")
NONE = Entry("no tracker", "tracking.default", ("tracker=none",))
TRACKED = Entry("W&B, every 10 steps", "tracking.default", WANDB)
COST, CALL = 1.02, 0.5


def measure(stage: Stage) -> list[Figure]:
    """The same batches in the same turns; a third contender logs every step, and its calls are timed."""
    noted = stage.root / "calls.txt"
    timed = Entry("W&B, every step", "tracking.timed", (*WANDB, "log_every=1"), {"noted": str(noted)})
    scene = Scene("the default run", "tweets", 16, STEPS, (NONE, TRACKED, timed), ())
    results = play(scene, replace(stage, turns=max(stage.turns, TURNS)))
    calls = sorted(1000 * float(line) for line in noted.read_text(encoding="utf-8").split())
    slow = calls[len(calls) * 95 // 100]
    print(f"{'a row, milliseconds':24} {statistics.median(calls):9.3f}   95 % below {slow:.3f}", flush=True)
    steps = "the default run, time of a step, lower is better: W&B offline every 10 steps / no tracker"
    rows = "a row for W&B offline, milliseconds, lower is better"
    return [
        Figure.compare(steps, results[NONE.name].speeds, results[TRACKED.name].speeds, COST, lower=True),
        Figure(rows, statistics.median(calls), (calls[len(calls) * 5 // 100], slow), CALL, lower=True),
    ]


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
