"""The memory of kernels that oneDNN compiles for products of 16-bit matrices: for each size one, and most are kept."""

from __future__ import annotations

import os
from functools import cache
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F

from hone.core import hardware as machine
from hone.core.columns import RowIndices
from hone.core.hardware import device_of
from hone.data.batching import split_by_length as cut_up
from hone.data.plan import sorted_batches
from hone.training.fast.layout import round_up_tokens
from hone.training.preflight import Feasible

_KEPT = int(os.environ.get("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "1024"))
_LOOKED_AT = 2_000
"""Training passes that stand for all."""
_TRIED = 12
_WIDTH = 192


def kept(count: int) -> int:
    """The bytes of this many kernels, as far as they are kept."""
    return min(_KEPT, count) * _each() if count else 0


def sizes_trained(job: Feasible, packed: bool) -> int:
    """How many different numbers of tokens the layers see in training passes, filling included."""
    lengths = job.outline.pools["train"].lengths
    steps = islice(job.outline.plan.steps(1), job.outline.course.steps)
    passes = islice((micro.rows for _, step in steps for micro in step), _LOOKED_AT)
    if packed:
        return len({round_up_tokens(int(lengths[rows].sum())) for rows in passes})
    return len({_area(lengths[piece]) for rows in passes for piece in pieces(job, rows, packed)})


def sizes_evaluated(job: Feasible) -> int:
    """The same in evaluations, which are padded."""
    size, batching = 2 * job.job.settings.batch_size, job.parts.batch
    pools = [pool.lengths for split, pool in job.outline.pools.items() if split != "train"]
    return len({_area(lengths[rows]) for lengths in pools for rows in sorted_batches(lengths, size, batching)})


def pieces(job: Feasible, rows: RowIndices, packed: bool) -> list[RowIndices]:
    """The rows of each forward pass that a batch is cut into."""
    splits = job.parts.batch.splits_on(device_of(job.job.settings.accelerator))
    if packed or not (splits and job.prepared.task.independent_rows):
        return [rows]
    return [rows[piece] for piece in cut_up(job.outline.pools["train"].lengths[rows])]


def _area(lengths: RowIndices) -> int:
    return len(lengths) * int(np.max(lengths))


@cache
def _each() -> int:
    """Measured here, with sizes that no network has."""
    weight = torch.zeros(_WIDTH, _WIDTH, dtype=torch.bfloat16)
    F.linear(torch.zeros(1500, _WIDTH, dtype=torch.bfloat16), weight)
    before = machine.resident_memory()
    for size in range(_TRIED):
        F.linear(torch.zeros(1001 + 10 * size, _WIDTH, dtype=torch.bfloat16), weight)
    return max(0, machine.resident_memory() - before) // _TRIED
