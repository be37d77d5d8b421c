"""A sweep: three learning rates by three seeds, as one multirun of hone and as Trainer processes one after another.

Run as `sweep.py JSON` this is one of those Trainer processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from contenders import accuracy, hone_words, prepared
from report import Figure
from turns import Stage

RATES = ("1e-4", "2e-4", "3e-4")
SEEDS = ("0", "1", "2")
BAR = 4.0


def nine(stage: Stage) -> list[Figure]:
    """The whole sweep."""
    return _measure(stage, RATES, "nine trials")


def three(stage: Stage) -> list[Figure]:
    """A third of the sweep: hone's start is spread over three trials and not over nine."""
    return _measure(stage, RATES[:1], "nine trials, scaled from three")


def _measure(stage: Stage, rates: tuple[str, ...], name: str) -> list[Figure]:
    told = stage.told("small", 16)
    trials = [{**told, "lr": float(rate), "seed": int(seed)} for rate in rates for seed in SEEDS]
    multirun = ["-m", "hone", "train", "-m", *hone_words(told), "epochs=1", "evaluate_every=1 epoch"]
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


def trial(told: dict[str, Any]) -> None:
    """One epoch, judged and kept at its end, as hone does."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

    set_seed(told["seed"])
    model, tokenizer, rows = prepared(told)
    arguments = TrainingArguments(
        str(Path(told["scratch"], f"{told['seed']}-{told['lr']}")), num_train_epochs=1, seed=told["seed"],
        per_device_train_batch_size=told["batch_size"], learning_rate=told["lr"], weight_decay=0.01,
        eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model="accuracy",
        report_to="none", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    Trainer(
        model=model, args=arguments, train_dataset=rows, eval_dataset=prepared(told, "validation")[2],
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=accuracy,
    ).train()  # fmt: skip


if __name__ == "__main__":
    trial(json.loads(sys.argv[1]))
