"""What W&B costs a run, offline: the steps of the default run with and without it, and the time of one row."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import Figure
from turns import Entry, Scene, Setup, play

if TYPE_CHECKING:
    from gate import Gate

STEPS, TURNS = 60, 15
BLOCKS, WARM = 600, 20
"""Blocks of ten steps in one run, and how many at its beginning do not count."""
WANDB = ("tracker=wandb", "tracker.mode=offline")
NONE = Entry("no tracker", "tracking.default", ("tracker=none",))
TRACKED = Entry("W&B, every 10 steps", "tracking.default", WANDB)
COST, CALL = 1.02, 0.5


def measure(setup: Setup) -> list[Figure]:
    """Compare two runs, and blocks within one run: two runs differ by more than W&B costs."""
    return [*_beside(setup), *_alternating(setup)]


def _beside(setup: Setup) -> list[Figure]:
    """Run the same batches in the same turns; a third contender logs every step, and its calls are timed."""
    noted = setup.root / "calls.txt"
    timed = Entry("W&B, every step", "tracking.timed", (*WANDB, "log_every=1"), {"noted": str(noted)})
    scene = Scene("the default run", "tweets", 16, STEPS, (NONE, TRACKED, timed), ())
    results = play(scene, replace(setup, turns=max(setup.turns, TURNS)))
    calls = sorted(1000 * float(line) for line in noted.read_text(encoding="utf-8").split())
    slow = calls[len(calls) * 95 // 100]
    print(f"{'a row, milliseconds':24} {statistics.median(calls):9.3f}   95 % below {slow:.3f}", flush=True)
    steps = "the default run, time of a step, lower is better: W&B offline every 10 steps / no tracker, two runs"
    rows = "a row for W&B offline, milliseconds, lower is better"
    return [
        Figure.compare(steps, results[NONE.name].speeds, results[TRACKED.name].speeds, lower=True),
        Figure(rows, statistics.median(calls), (calls[len(calls) * 5 // 100], slow), CALL, lower=True),
    ]


def _alternating(setup: Setup) -> list[Figure]:
    """Let W&B log every other row, and add up the medians of the ten steps that follow: these are robust to noise."""
    noted = setup.root / "steps.txt"
    entry = Entry("W&B, every other row", "tracking.alternating", WANDB, {"noted": str(noted)}, steps=10 * BLOCKS)
    play(Scene("one run", "tweets", 16, 10 * BLOCKS, (entry,), ()), replace(setup, turns=1))
    muted, tracked = _blocks(noted)
    ratios = sorted(sum(one) / sum(other) for one, other in zip(tracked, muted, strict=False))
    alone, with_it = _by_place(muted), _by_place(tracked)
    later = [one - other for one, other in zip(with_it, alone, strict=True)]
    print("each step after a row is later by, milliseconds:", *(f"{1000 * each:.2f}" for each in later), flush=True)
    name = "the default run, time of ten steps, lower is better: W&B offline has their row / has it not, one run"
    middle = (ratios[len(ratios) // 4], ratios[len(ratios) * 3 // 4])
    return [Figure(name, sum(with_it) / sum(alone), middle, COST, lower=True)]


def _by_place(blocks: list[list[float]]) -> list[float]:
    return [statistics.median(steps) for steps in zip(*blocks, strict=True)]


def _blocks(noted: Path) -> list[list[list[float]]]:
    """Return the ten steps after each row that W&B did not get, and after each that it got."""
    lines = [line.split() for line in noted.read_text(encoding="utf-8").splitlines()]
    blocks: dict[int, list[float]] = {}
    for (before, _), (after, rows) in pairwise(lines):
        blocks.setdefault(int(rows), []).append(float(after) - float(before))
    whole = {rows: block for rows, block in blocks.items() if rows > WARM and len(block) == 10}
    return [[block for rows, block in whole.items() if rows % 2 == odd] for odd in (1, 0)]


def default(settings: dict[str, Any], gate: Gate) -> None:
    """`hone train`, without its end."""
    from contenders import train

    train(gate, "epochs=999", "evaluate_every=null", f"output_root={settings['scratch']}", *settings["words"])


def timed(settings: dict[str, Any], gate: Gate) -> None:
    """Write the time that each row took into the file `noted`."""
    from hone.tracking.wandb.tracker import WandbTracker

    log = WandbTracker.log
    with Path(settings["options"]["noted"]).open("w", encoding="utf-8", buffering=1) as noted:

        def noting(self: WandbTracker, number: int, row: Any) -> None:
            begun = time.perf_counter()
            log(self, number, row)
            noted.write(f"{time.perf_counter() - begun}\n")

        WandbTracker.log = noting  # type: ignore[method-assign]
        default(settings, gate)


def alternating(settings: dict[str, Any], gate: Gate) -> None:
    """Give W&B every second row, and write into `noted` when each step ends and after how many rows."""
    from hone.tracking.wandb.tracker import WandbTracker
    from hone.training.listeners import RunListeners

    log, original_step, rows = WandbTracker.log, RunListeners.step, 0
    with Path(settings["options"]["noted"]).open("w", encoding="utf-8") as noted:

        def every_second(self: WandbTracker, number: int, row: Any) -> None:
            nonlocal rows
            rows += 1
            if rows % 2 == 0:
                log(self, number, row)

        def stepped(self: RunListeners, step: int) -> None:
            noted.write(f"{time.perf_counter()} {rows}\n")
            original_step(self, step)

        WandbTracker.log, RunListeners.step = every_second, stepped  # type: ignore[method-assign]
        default(settings, gate)
