"""How hone does beside a plain loop, `transformers.Trainer` and `lightning.Trainer`, in turns on one machine.

    python benchmarks/bench.py [--data FOLDER] [--scenes batch-16 evaluation …] [--turns 3] [--nine] [--short]

FOLDER holds train.jsonl and validation.jsonl with `text` and a numbered `label`; without it we use the built-in texts.
Every contender is a process of its own; the table has ratios of medians, and the least and the greatest of the turns.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import evaluation
import overhead
import report
import rows
import saving
import speed
import startup
import sweep
import tracking
from report import Figure
from turns import Stage

SCENES: dict[str, Callable[[Stage], list[Figure]]] = {
    "batch-16": speed.batch_16,
    "batch-64": speed.batch_64,
    "long": speed.long_tailed,
    "evaluation": evaluation.measure,
    "start-up": startup.measure,
    "saving": saving.measure,
    "sweep": sweep.three,
    "overhead": overhead.measure,
    "tracking": tracking.measure,
}
SHORT: dict[str, Callable[[Stage], list[Figure]]] = {"batch-16": speed.short, "evaluation": evaluation.short}
SMALL, VALIDATION = 1000, 200
"""Rows of a trial of the sweep."""


def main() -> None:
    told = arguments()
    scenes = {**(SHORT if told.short else SCENES), **({"sweep": sweep.nine} if told.nine else {})}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        stage = prepared(told, Path(scratch))
        print(f"checkpoint {stage.checkpoint.parent.name}/{stage.checkpoint.name}, {stage.turns} turns")
        for name in told.scenes or scenes:
            figures += scenes[name](stage)
            if told.output:  # at once: what is measured stays, should a later scene fail
                report.merge(told.output, figures)
    print(f"\n{report.table(figures)}")
    sys.exit(told.short and not all(each.met for each in figures))


def prepared(told: argparse.Namespace, root: Path) -> Stage:
    """The rows that the scenes read, and the checkpoint."""
    os.environ["HONE_CACHE"] = str(root / "hone")
    tweets = told.data or rows.write_tweets(root / "tweets", 3000)
    data = {
        "tweets": tweets,
        "long": rows.write_long(root / "long", 1000),
        "evaluated": rows.cut(tweets, root / "evaluated", test=evaluation.ROWS),
        "small": rows.cut(tweets, root / "small", train=SMALL, validation=VALIDATION),
    }
    checkpoint = (None if told.short else rows.minilm()) or rows.shaped_like_minilm(root / "checkpoint")
    return Stage(root, data, checkpoint, told.turns)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with train.jsonl and validation.jsonl")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, help="some of them; all, if not told")
    parser.add_argument("--turns", type=int, default=3, help="turns that count, of each contender")
    parser.add_argument("--nine", action="store_true", help="the whole sweep, not a third of it")
    parser.add_argument("--short", action="store_true", help="two scenes with guards, without the real checkpoint")
    parser.add_argument("--output", type=Path, help="a JSON file that takes the figures in")
    told = parser.parse_args()
    told.data = told.data and told.data.resolve()
    faults = (
        "--turns: at least 1." if told.turns < 1 else None,
        "--short has no --data, no --scenes and no --nine."
        if told.short and (told.data or told.scenes or told.nine)
        else None,
        rows.fault(told.data, ("train", "validation"), SMALL) if told.data else None,
        report.fault(told.output) if told.output else None,
    )
    for fault in filter(None, faults):
        parser.error(fault)
    return told


if __name__ == "__main__":
    main()
