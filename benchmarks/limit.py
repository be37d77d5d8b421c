"""What the machine could do: its rate of large matrix products, and the operations that training on a row takes."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path

import numpy as np

from report import Figure
from turns import Result

SIZE = 2048
REPEATS = 12
PER_WEIGHT = 6
"""Operations per weight and token: a product and a sum, once forward and twice backward."""


@cache
def rates() -> dict[str, float]:
    """Return operations per second on all threads. The best of several counts: a limit is an undisturbed rate."""
    import torch

    rates_by_type = {}
    for name, dtype in {"bf16": torch.bfloat16, "fp32": torch.float32}.items():
        left, right = torch.randn(SIZE, SIZE).to(dtype), torch.randn(SIZE, SIZE).to(dtype)
        seconds = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            left @ right
            seconds.append(time.perf_counter() - begun)
        rates_by_type[name] = 2 * SIZE**3 / min(seconds)
    text = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in rates_by_type.items())
    print(f"\nthe machine's limit, billions of operations per second: {text}", flush=True)
    return rates_by_type


def own_precision() -> str:
    """Return the type that hone computes with on this machine by default."""
    from hone.training.precision import resolve_precision

    return "bf16" if resolve_precision("auto", "auto").startswith("bf16") else "fp32"


@cache
def operations(checkpoint: Path, data: Path) -> float:
    """Return the operations of training on a row of mean length, without embeddings (look-ups) and attention itself."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from hone.models.layers import LayerMap

    network = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(checkpoint))
    layer_map = LayerMap.of(network)
    layers = range(1, layer_map.depth + 1)
    weights = sum(weight.numel() for name, weight in network.named_parameters() if layer_map.level(name) in layers)
    return float(PER_WEIGHT * weights * count_tokens(checkpoint, data).mean())


@cache
def count_tokens(checkpoint: Path, data: Path) -> np.ndarray:
    """Return the number of tokens of each training row."""
    from transformers import AutoTokenizer

    texts = [json.loads(line)["text"] for line in (data / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    encoded = AutoTokenizer.from_pretrained(checkpoint)(texts, truncation=True, max_length=512)["input_ids"]
    return np.array([len(ids) for ids in encoded])


def padding(checkpoint: Path, data: Path, batch_size: int) -> float:
    """Return how many times more tokens random batches have with padding: what leaving it out can gain at most."""
    tokens = np.random.default_rng(0).permutation(count_tokens(checkpoint, data))
    batches = tokens[: len(tokens) // batch_size * batch_size].reshape(-1, batch_size)
    return float(batch_size * batches.max(axis=1).sum() / batches.sum())


def share(name: str, result: Result, work: float, kind: str) -> Figure:
    """Return the share of the limit that a contender reaches; only real tokens count, padding does not."""
    return Figure.compare(name, [speed * work for speed in result.speeds], [rates()[kind]] * len(result.speeds))
