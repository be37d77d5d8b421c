"""What a sweep costs besides its training: 24 trials of a few seconds, as a sweep and as successive processes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from report import Figure
from turns import Setup

TRIALS = 24
ALONE = 6
"""Single processes that are timed; the others would take as long."""
BATCH = 16
WORDS = ("tracker=none", "epochs=4", "log_every=1", f"batch_size={BATCH}", "dataset.train=800")
SHARE, COST = 0.45, 0.7


def measure(setup: Setup) -> list[Figure]:
    root = setup.root / "overhead"
    _time_command(*WORDS, "seed=100", f"output_root={root / 'warm'}")
    alone = [_time_command(*WORDS, f"seed={seed}", f"output_root={root / 'alone'}") for seed in range(ALONE)]
    swept = _time_command("-m", *WORDS, f"seed=range({TRIALS})", f"output_root={root / 'swept'}", "sweep.name=all")
    folder = root / "swept/all"
    cells = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))["cells"]
    costs = [cell["seconds"] - _training(Path(cell["folder"])) for cell in cells]
    assert len(costs) == TRIALS
    cost = statistics.median(costs)
    share = swept / (TRIALS * statistics.median(alone))
    print(f"\na sweep of {TRIALS} trials{'':8}{swept:6.1f} s\n{'a process alone':30}{statistics.median(alone):6.1f} s")
    print(f"{'a trial beside its steps':30}{cost:6.2f} s of a core", flush=True)
    spread = (swept / (TRIALS * max(alone)), swept / (TRIALS * min(alone)))
    return [
        Figure(
            f"{TRIALS} short trials, seconds, lower is better: a sweep / processes", share, spread, SHARE, lower=True
        ),
        Figure(
            "a trial of a sweep beside its steps, seconds of a core, lower is better",
            cost,
            (min(costs), max(costs)),
            COST,
            lower=True,
        ),
    ]


def _time_command(*words: str) -> float:
    """Return the seconds that `hone train` takes."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "hone", "train", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"hone train {' '.join(words)} ended:\n{done.stderr[-3000:]}")
    return time.perf_counter() - begun


def _training(run: Path) -> float:
    """Return the seconds of a run's optimiser steps."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    speeds = [float(row["train/samples_per_second"]) for row in rows if "train/samples_per_second" in row]
    return sum(BATCH / speed for speed in speeds)
