"""Compares hone with a plain loop, `transformers.Trainer` and `lightning.Trainer`, in turns on one machine.

    python benchmarks/bench.py [--data FOLDER] [--scenes batch-16 evaluation …] [--turns 3] [--nine] [--short]

FOLDER holds train.jsonl and validation.jsonl with `text` and a numbered `label`; the default is built-in texts.
Every contender is a separate process; the table has ratios of medians, and the least and greatest ratio of the turns.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import evaluation
import media
import overhead
import report
import rows
import saving
import speed
import startup
import sweep
import tracking
from report import Figure
from turns import Setup

SCENES: dict[str, Callable[[Setup], list[Figure]]] = {
    "batch-16": speed.batch_16,
    "batch-64": speed.batch_64,
    "long": speed.long_tailed,
    "evaluation": evaluation.measure,
    "start-up": startup.measure,
    "saving": saving.measure,
    "sweep": sweep.three,
    "overhead": overhead.measure,
    "tracking": tracking.measure,
    "pictures": media.measure,
}
SHORT: dict[str, Callable[[Setup], list[Figure]]] = {"batch-16": speed.short, "evaluation": evaluation.short}
SMALL, VALIDATION = 1000, 200
"""Rows of one trial of the sweep."""


def main() -> None:
    args = parse_arguments()
    scenes = {**(SHORT if args.short else SCENES), **({"sweep": sweep.nine} if args.nine else {})}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        setup = prepare(args, Path(scratch))
        print(f"checkpoint {setup.checkpoint.parent.name}/{setup.checkpoint.name}, {setup.turns} turns")
        for name in args.scenes or scenes:
            figures += scenes[name](setup)
            if args.output:  # at once, so that it is stored even if a later scene fails
                report.merge(args.output, figures)
    print(f"\n{report.format_table(figures)}")
    sys.exit(args.short and not all(each.met for each in figures))


def prepare(args: argparse.Namespace, root: Path) -> Setup:
    """Write the rows that the scenes read, and find or make the checkpoint."""
    os.environ["HONE_CACHE"] = str(root / "hone")
    tweets = args.data or rows.write_tweets(root / "tweets", 3000)
    data = {
        "tweets": tweets,
        "long": rows.write_long(root / "long", 1000),
        "evaluated": rows.write_subset(tweets, root / "evaluated", test=evaluation.ROWS),
        "pictures": root / "pictures",  # written by the scene that reads them
        "small": rows.write_subset(tweets, root / "small", train=SMALL, validation=VALIDATION),
    }
    checkpoint = (None if args.short else rows.find_minilm()) or rows.make_minilm_lookalike(root / "checkpoint")
    return Setup(root, data, checkpoint, args.turns)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with train.jsonl and validation.jsonl")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, help="the scenes to run; default: all")
    parser.add_argument("--turns", type=int, default=3, help="turns of each contender that count")
    parser.add_argument("--nine", action="store_true", help="the whole sweep, not a third of it")
    parser.add_argument(
        "--short",
        action="store_true",
        help="two quick scenes that guard against regressions, without the real checkpoint",
    )
    parser.add_argument("--output", type=Path, help="a JSON file to add the figures to")
    args = parser.parse_args()
    args.data = args.data and args.data.resolve()
    faults = (
        "--turns: at least 1." if args.turns < 1 else None,
        "--short cannot be combined with --data, --scenes or --nine."
        if args.short and (args.data or args.scenes or args.nine)
        else None,
        rows.find_fault(args.data, ("train", "validation"), SMALL) if args.data else None,
        report.find_fault(args.output) if args.output else None,
    )
    for fault in filter(None, faults):
        parser.error(fault)
    return args


if __name__ == "__main__":
    main()
