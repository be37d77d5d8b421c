"""What the machine could do: its rate of large matrix products, and how many operations a row of training needs."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path

from report import Figure
from turns import Result

SIZE = 2048
REPEATS = 12
PER_WEIGHT = 6
"""Operations a weight and a token: a product and a sum, forward once and backward twice."""


@cache
def rates() -> dict[str, float]:
    """Operations a second on all threads, the best of several: a limit is what is reached undisturbed."""
    import torch

    found = {}
    for name, dtype in {"bf16": torch.bfloat16, "fp32": torch.float32}.items():
        left, right = torch.randn(SIZE, SIZE).to(dtype), torch.randn(SIZE, SIZE).to(dtype)
        seconds = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            left @ right
            seconds.append(time.perf_counter() - begun)
        found[name] = 2 * SIZE**3 / min(seconds)
    told = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in found.items())
    print(f"\nthe machine's limit, billions of operations a second: {told}", flush=True)
    return found


def own_precision() -> str:
    """What hone computes with here, by default."""
    from hone.training.fabric import resolve_precision

    return "bf16" if resolve_precision("auto", "auto").startswith("bf16") else "fp32"


@cache
def operations(checkpoint: Path, data: Path) -> float:
    """Of training on one row of mean length; embeddings are looked up, and attention itself is left out."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    from hone.models.layers import LayerMap

    network = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(checkpoint))
    layer_map = LayerMap.of(network)
    layers = range(1, layer_map.depth + 1)
    weights = sum(weight.numel() for name, weight in network.named_parameters() if layer_map.level(name) in layers)
    texts = [json.loads(line)["text"] for line in (data / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    encoded = AutoTokenizer.from_pretrained(checkpoint)(texts, truncation=True, max_length=512)["input_ids"]
    tokens = sum(len(ids) for ids in encoded) / len(encoded)
    return float(PER_WEIGHT * weights * tokens)


def share(name: str, result: Result, work: float, kind: str) -> Figure:
    """How much of the limit a contender reaches with the tokens that are real; padding earns nothing."""
    return Figure.compare(name, [speed * work for speed in result.speeds], [rates()[kind]] * len(result.speeds))
