"""Runs every toy experiment: the score of random weights, the score after training, and the time that it took.

    python benchmarks/toys.py [NAME …] [--output outputs/toys.json]

`before` is the same run with a single step at a learning rate of almost zero. The scores are of the test split.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hone.config.tree import CONF

UNTRAINED = ("epochs=null", "steps=1", "optimizer.lr=1e-12", "evaluate_every=null")


def main() -> None:
    available = sorted(file.stem for file in (CONF / "experiment/toy").glob("*.yaml"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(available)}; default: all")
    parser.add_argument(
        "--output", type=Path, default=Path("outputs/toys.json"), help="the file to write the table to, as JSON"
    )
    args = parser.parse_args()
    if unknown := set(args.names) - set(available):
        parser.error(f"{', '.join(sorted(unknown))}: no such toy experiment; available: {', '.join(available)}.")
    table = [measure(name) for name in args.names or available]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(table, indent=2) + "\n")
    Console().print(make_table(table))


def measure(name: str) -> dict[str, Any]:
    """Return one line of the table."""
    before, _ = train(name, *UNTRAINED)
    after, seconds = train(name)
    metric = f"test/{after['best']['metric'].partition('/')[2]}"
    scores = [record["scores"][metric] for record in (before, after)]
    return {"task": name, "metric": metric, "before": scores[0], "after": scores[1], "seconds": round(seconds, 1)}


def train(name: str, *words: str) -> tuple[dict[str, Any], float]:
    """Train, and return the run's record and the seconds that the command took."""
    print(f"{name} {' '.join(words)}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, "-m", "hone", "train", f"experiment=toy/{name}", "tracker=none", *words]
        begun = time.perf_counter()
        done = subprocess.run([*command, f"output_root={root}"], capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        (record,) = Path(root).rglob("run.json")
        return json.loads(record.read_text()), seconds


def make_table(entries: list[dict[str, Any]]) -> Table:
    table = Table("task", "metric", "before", "after", "seconds")
    for each in entries:
        table.add_row(
            each["task"], each["metric"], f"{each['before']:.4f}", f"{each['after']:.4f}", f"{each['seconds']:.0f}"
        )
    return table


if __name__ == "__main__":
    main()
