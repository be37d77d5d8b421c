"""A sweep: three learning rates by three seeds, as one sweep of hone and as successive Trainer processes.

Run as `sweep.py JSON` this is one of those Trainer processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from contenders import accuracy, hone_arguments, prepare
from report import Figure
from turns import Setup

RATES = ("1e-4", "2e-4", "3e-4")
SEEDS = ("0", "1", "2")
BAR = 4.0


def nine(setup: Setup) -> list[Figure]:
    """The whole sweep."""
    return _measure(setup, RATES, "nine trials")


def three(setup: Setup) -> list[Figure]:
    """A third of the sweep, in which hone's start-up is spread over three trials instead of nine."""
    return _measure(setup, RATES[:1], "nine trials, scaled from three")


def _measure(setup: Setup, rates: tuple[str, ...], name: str) -> list[Figure]:
    settings = setup.settings("small", 16)
    trials = [{**settings, "lr": float(rate), "seed": int(seed)} for rate in rates for seed in SEEDS]
    multirun = ["-m", "hone", "train", "-m", *hone_arguments(settings), "epochs=1", "evaluate_every=1 epoch"]
    ours = _seconds([*multirun, f"seed={','.join(SEEDS)}", f"optimizer.lr={','.join(rates)}"]) / len(trials)
    theirs = [_seconds([__file__, json.dumps(trial)]) for trial in trials]
    mean = sum(theirs) / len(theirs)
    print(f"\n{name}, an hour\n{'hone':24} {3600 / ours:9.0f}\n{'Trainer':24} {3600 / mean:9.0f}", flush=True)
    spread = (min(theirs) / ours, max(theirs) / ours)
    return [Figure(f"{name}, trials an hour: hone / Trainer", mean / ours, spread, BAR)]


def _seconds(words: list[str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended:\n{done.stderr[-3000:]}")
    return time.perf_counter() - begun


def trial(settings: dict[str, Any]) -> None:
    """Train one epoch, then evaluate and save, as hone does."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

    set_seed(settings["seed"])
    model, tokenizer, rows = prepare(settings)
    arguments = TrainingArguments(
        str(Path(settings["scratch"], f"{settings['seed']}-{settings['lr']}")),
        num_train_epochs=1, seed=settings["seed"],
        per_device_train_batch_size=settings["batch_size"], learning_rate=settings["lr"], weight_decay=0.01,
        eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model="accuracy",
        report_to="none", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    Trainer(
        model=model, args=arguments, train_dataset=rows, eval_dataset=prepare(settings, "validation")[2],
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=accuracy,
    ).train()  # fmt: skip


if __name__ == "__main__":
    trial(json.loads(sys.argv[1]))
