"""The memory of kernels that oneDNN compiles for products of 16-bit matrices: for each size one, and most are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

from hone.planning import machine
from hone.planning.shadow import Product

_KEPT = int(os.environ.get("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "1024"))
_TRIED = 12
_WIDTH = 192


def needed(products: Mapping[Product, int], rows: int, sizes: int) -> int:
    """How many, where a pass over `rows` rows has these products and batches come in so many sizes."""
    of_each_size = sum(ways for (left, *_), ways in products.items() if left != rows)
    return sizes * of_each_size + sum(products.values()) - of_each_size


def kept(count: int) -> int:
    """The bytes of so many, as far as they are kept."""
    return min(_KEPT, count) * _each() if count else 0


def warm_up() -> None:
    """What the first step of any training leaves in memory for good."""
    layer = nn.TransformerEncoderLayer(_WIDTH, 4, _WIDTH, batch_first=True)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    for low in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            F.cross_entropy(
                layer(torch.zeros(2, 8, _WIDTH))[:, 0].float(), torch.zeros(2, dtype=torch.int64)
            ).backward()
        optimizer.step()


@cache
def _each() -> int:
    """Measured here, with sizes that no network has."""
    weight = torch.zeros(_WIDTH, _WIDTH, dtype=torch.bfloat16)
    F.linear(torch.zeros(1500, _WIDTH, dtype=torch.bfloat16), weight)
    before = machine.resident()
    for size in range(_TRIED):
        F.linear(torch.zeros(1001 + 10 * size, _WIDTH, dtype=torch.bfloat16), weight)
    return max(0, machine.resident() - before) // _TRIED
