"""The command in forks, which cost no imports and can be killed; and everything that it leaves."""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hone.commands.train
import hone.training.run  # noqa: F401 (imported once, for all forks)
from conftest import journal, record, runs
from hone.cli import main
from hone.runs.snapshots import Snapshots
from resuming import digests, in_child

TRAIN = (
    "train", "tracker=none", "precision=32-true", "checkpoint.hyperparameters={num_hidden_layers:1}",
    "dataset.train=64",
    "dataset.validation=16", "dataset.test=16", "batch_size=4", "accumulate=3", "epochs=4", "evaluate_every=4",
    "save_every=1", "log_every=1", "patience=3", "optimizer.ema=0.9", "resume=auto",
)  # fmt: skip
CLOCKED = ("seconds", "time", "train/memory_gb", "train/samples_per_second", "train/tokens_per_second")


def attempt(root: str | Path, aim: Callable[[], None] | None = None) -> int:
    """Starts the command in a fork, and in it does `aim` first; returns its process id."""

    def command() -> None:
        sys.argv = ["hone", *TRAIN, f"output_root={root}"]
        with Path("output.txt").open("a", buffering=1) as output:
            sys.stdout = sys.stderr = output
            if aim:
                aim()
            try:
                main()
            except SystemExit as end:
                os._exit(int(end.code or 0))

    return in_child(command)


def result(root: str | Path) -> dict[str, Any]:
    """Everything that a finished run leaves and that the clock does not decide."""
    finished = [run for run in runs(root) if record(run)["state"] == "finished"]
    assert len(finished) == 1, [record(run)["state"] for run in runs(root)]
    run, about = finished[0], record(finished[0])
    files = [
        *(run / "model").glob("*.safetensors"),
        *(run / "predictions").iterdir(),
        *(run / "contributions").iterdir(),
    ]
    snapshot = Snapshots(run / "checkpoints", about["identity"]).newest()
    assert snapshot is not None
    return {
        **digests(snapshot),
        **{file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "best": about["best"],
        "scores": about["scores"],
        "steps": about["steps"],
        "journal": [{key: value for key, value in row.items() if key not in CLOCKED} for row in journal(run)],
    }
