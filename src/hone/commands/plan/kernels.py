"""The memory of the kernels that oneDNN compiles for products of 16-bit matrices: one per size, most of them cached."""

from __future__ import annotations

import os
from functools import cache
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F

from hone.core import hardware
from hone.core.columns import RowIndices
from hone.data.batching import split_by_length as cut_up
from hone.data.plan import sorted_batches
from hone.training.fast.layout import round_up_tokens
from hone.training.preflight import Feasible

_CACHED = int(os.environ.get("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "1024"))
"""Kernels that oneDNN keeps; 1024 is its own default."""
_PASSES = 2_000
"""Training passes whose sizes are counted; later ones are assumed to bring no new size."""
_TRIED_KERNELS = 12
_TRIED_WIDTH = 192


def kernel_bytes(count: int) -> int:
    """Return the bytes of the cached ones among `count` kernels."""
    return min(_CACHED, count) * _bytes_per_kernel() if count else 0


def count_training_sizes(feasible: Feasible, packed: bool) -> int:
    """Count the different numbers of tokens, padding included, that the layers see in training passes."""
    lengths = feasible.outline.pools["train"].lengths
    steps = islice(feasible.outline.plan.steps(1), feasible.outline.course.steps)
    passes = islice((micro.rows for _, _, step in steps for micro in step), _PASSES)
    if packed:
        return len({round_up_tokens(int(lengths[rows].sum())) for rows in passes})
    return len({_area(lengths[part]) for rows in passes for part in forward_passes(feasible, rows, packed)})


def count_evaluation_sizes(feasible: Feasible) -> int:
    """Count the same numbers for evaluations, whose batches are always padded."""
    batch_size, batching = 2 * feasible.job.settings.batch_size, feasible.parts.batch
    evaluated = [pool.lengths for split, pool in feasible.outline.pools.items() if split != "train"]
    batches = ((lengths, rows) for lengths in evaluated for rows in sorted_batches(lengths, batch_size, batching))
    return len({_area(lengths[rows]) for lengths, rows in batches})


def forward_passes(feasible: Feasible, rows: RowIndices, packed: bool) -> list[RowIndices]:
    """Return the rows of each forward pass that a batch is split into; packed batches are never split."""
    splits = feasible.parts.batch.splits_on(hardware.device_of(feasible.job.settings.accelerator))
    if packed or not (splits and feasible.prepared.task.independent_rows):
        return [rows]
    return [rows[part] for part in cut_up(feasible.outline.pools["train"].lengths[rows])]


def _area(lengths: RowIndices) -> int:
    """Return the tokens of a padded batch."""
    return len(lengths) * int(np.max(lengths))


@cache
def _bytes_per_kernel() -> int:
    """Measure the growth of this process while it compiles a few kernels, for sizes that no network has."""
    weight = torch.zeros(_TRIED_WIDTH, _TRIED_WIDTH, dtype=torch.bfloat16)
    # The first product is larger than all others, so that their inputs and outputs fit into memory it leaves.
    F.linear(torch.zeros(1500, _TRIED_WIDTH, dtype=torch.bfloat16), weight)
    before = hardware.resident_memory()
    for number in range(_TRIED_KERNELS):
        F.linear(torch.zeros(1001 + 10 * number, _TRIED_WIDTH, dtype=torch.bfloat16), weight)
    return max(0, hardware.resident_memory() - before) // _TRIED_KERNELS
